-- A stream of bytes, cut anywhere, as lines and as server-sent events. Lines end with
-- CRLF, LF or CR; what stands behind the last line end has not been sent whole and is
-- dropped, unless `finish` says so. Nothing here is copied twice, however small the pieces are.

local M = {}

---@class orchlua.LineReader
---@field package parts string[]      of the line that has not ended
---@field package after_cr boolean    the last piece ended with CR: an LF now belongs to it
local Reader = {}
Reader.__index = Reader

--- Makes a reader that calls `on_line(text)` for each line.
---@param on_line fun(text: string)
function M.reader(on_line)
  return setmetatable({ on_line = on_line, parts = {}, after_cr = false }, Reader)
end

local function end_line(self, text)
  local parts = self.parts
  if parts[1] then
    parts[#parts + 1] = text
    text = table.concat(parts)
    self.parts = {}
  end
  self.on_line(text)
end

--- Takes the next bytes.
---@param bytes string
function Reader:feed(bytes)
  local from = 1
  if self.after_cr and bytes:sub(1, 1) == "\n" then from = 2 end
  if bytes ~= "" then self.after_cr = bytes:sub(-1) == "\r" end
  while true do
    local at = bytes:find("[\r\n]", from)
    if not at then break end
    end_line(self, bytes:sub(from, at - 1))
    from = bytes:find("^\r\n", at) and at + 2 or at + 1
  end
  if from <= #bytes then self.parts[#self.parts + 1] = bytes:sub(from) end
end

--- The bytes are at their end, and what stands behind the last line end is whole.
function Reader:finish()
  if self.parts[1] then end_line(self, "") end
end

-- Server-sent events (WHATWG HTML, section 9.2.6) ------------------------------------

local BOM = "\xEF\xBB\xBF"

--- Makes a reader of server-sent events: `on_event(data)` is called for each that has data, lines of data joined by LF.
--- What else is in it means nothing here: a model's events say in their data what they are.
---@param on_event fun(data: string)
---@return orchlua.LineReader
function M.events(on_event)
  local data, is_first = {}, true
  return M.reader(function(line)
    if is_first and line:sub(1, 3) == BOM then line = line:sub(4) end
    is_first = false
    if line == "" then
      local complete = data
      data = {}
      if complete[1] then on_event(table.concat(complete, "\n")) end
      return
    end
    local name, text = line:match "^([^:]*):? ?(.*)$"
    if name == "data" then data[#data + 1] = text end
  end)
end

return M
