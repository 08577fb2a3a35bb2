-- Fuzzes the reader of lines and server-sent events: the first four bytes are the sizes
-- of the pieces that the rest comes in; however it is cut, the same lines and events come.

local lines = require "orchlua.agents.models.lines"
local cuts = require "spec.support.pieces"

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
  local text = bytes:sub(cuts.HEAD + 1)
  local pieces = cuts.cut(text, bytes)
  assert(table.concat(pieces) == text)
  assert(read(lines.reader, { text }) == simple_lines(text), "lines of the whole text")
  assert(read(lines.reader, pieces) == simple_lines(text), "lines of the pieces")
  local events = read(lines.events, { text })
  assert(read(lines.events, pieces) == events, "events of the pieces")
  return events
end
