-- A program's text, and where things are in it: lines, columns, and the excerpt
-- with a caret that errors show.

local M = {}

---@class orchlua.Source
---@field text string         with line ends as `\n`
---@field name string
---@field first_line integer  the file's line that the text begins on
---@field indent integer      columns that were cut off every line (a block in a list of a Markdown file)
local Source = {}
Source.__index = Source

local WIDEST = 100

--- A source of a text.
---@param text string
---@param name string
---@param options? { first_line: integer?, indent: integer? }
---@return orchlua.Source
function M.new(text, name, options)
  options = options or {}
  text = text:gsub("^\239\187\191", ""):gsub("\r\n", "\n")
  local self = setmetatable({ text = text, name = name, first_line = options.first_line or 1, indent = options.indent or 0, starts = { 1 } }, Source)
  for at in text:gmatch "\n()" do self.starts[#self.starts + 1] = at end
  return self
end

-- The number of the line that a position is in, counted in this text.
local function line_of(self, pos)
  local low, high = 1, #self.starts
  while low < high do
    local middle = (low + high + 1) // 2
    if self.starts[middle] <= pos then low = middle else high = middle - 1 end
  end
  return low
end

local function length(text)
  return utf8.len(text) or #text
end

--- Line and column of a position: 1-based, the column in code points.
---@param pos integer
---@return integer line
---@return integer column
function Source:position(pos)
  local line = line_of(self, pos)
  local before = self.text:sub(self.starts[line], pos - 1)
  return line + self.first_line - 1, length(before) + 1 + self.indent
end

--- The text of a line of the file.
---@param line integer
function Source:line(line)
  local start = self.starts[line - self.first_line + 1]
  return start and self.text:match("[^\n]*", start) or ""
end

-- The characters `first` to `last` of a line.
local function characters(text, first, last)
  if not utf8.len(text) then return text:sub(first, last) end
  return text:sub(utf8.offset(text, first) or #text + 1, (utf8.offset(text, last + 1) or #text + 1) - 1)
end

--- The source line of a position and, below it, a caret (`^~~~`) under the span.
---@param pos integer
---@param stop? integer   where the span ends
---@return string
function Source:excerpt(pos, stop)
  local line, column = self:position(pos)
  column = column - self.indent
  local text = self:line(line):gsub("\t", " ")
  local line_stop = self.starts[line - self.first_line + 1] + #text
  local width = math.max(1, length(self.text:sub(pos, math.min(stop or pos, line_stop) - 1)))
  local offset = 0
  if length(text) > WIDEST then
    offset = math.max(0, math.min(column - WIDEST // 3, length(text) - WIDEST))
    text = (offset > 0 and "…" or "") .. characters(text, offset + (offset > 0 and 2 or 1), offset + WIDEST) .. "…"
  end
  width = math.min(width, math.max(1, WIDEST - (column - offset) + 1))
  return ("%s\n%s^%s"):format(text, (" "):rep(column - offset - 1), ("~"):rep(width - 1))
end

return M
