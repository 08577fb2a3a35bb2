-- Fuzzes the reader of lines and server-sent events: the first four bytes are the sizes
-- of the pieces that the rest comes in; however it is cut, the same lines and events come.

local lines = require "orchlua.agents.models.lines"

local HEAD = 4

-- The pieces of a text. Sizes are taken modulo 16, so that a digit is itself; 0 is an
-- empty piece, with one byte behind it.
local function cut(text, head)
  local pieces, at, count = {}, 1, 0
  while at <= #text do
    local size = head:byte(count % HEAD + 1) % 16
    if size == 0 then pieces[#pieces + 1], size = "", 1 end
    pieces[#pieces + 1] = text:sub(at, at + size - 1)
    at, count = at + size, count + 1
  end
  return pieces
end

local function read(make, pieces)
  local found = {}
  local reader = make(function(text, name) found[#found + 1] = ("%q %q"):format(text, name) end)
  for _, piece in ipairs(pieces) do reader:feed(piece) end
  return table.concat(found, "\n")
end

-- The lines of a text that is there as a whole.
local function simple_lines(text)
  local found = {}
  for line in text:gsub("\r\n", "\n"):gsub("\r", "\n"):gmatch "([^\n]*)\n" do found[#found + 1] = ("%q nil"):format(line) end
  return table.concat(found, "\n")
end

return function(bytes)
  local text = bytes:sub(HEAD + 1)
  local pieces = cut(text, bytes)
  assert(table.concat(pieces) == text)
  assert(read(lines.reader, { text }) == simple_lines(text), "lines of the whole text")
  assert(read(lines.reader, pieces) == simple_lines(text), "lines of the pieces")
  local events = read(lines.events, { text })
  assert(read(lines.events, pieces) == events, "events of the pieces")
  return events
end
