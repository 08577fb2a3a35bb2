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

-- Code points; a byte that is part of none counts as one.
local function length(text, first, last)
  local count = 0
  while first <= last do
    local found, bad = utf8.len(text, first, last, true)
    if found then return count + found end
    count = count + utf8.len(text, first, bad - 1, true) + 1
    first = bad + 1
  end
  return count
end

-- The column of a position in this text. Positions mostly come in their order:
-- the last one is kept, so that a long line is not counted anew for each.
local function column_of(self, start, pos)
  local from, column = start, 1
  local last = self.last
  if last and last.start == start and last.pos <= pos then from, column = last.pos, last.column end
  column = column + length(self.text, from, math.min(pos - 1, #self.text))
  local continued = self.text:find("^[\128-\191]", pos)
  if not continued then self.last = { start = start, pos = pos, column = column } end
  return column
end

--- Line and column of a position: 1-based, the column in code points.
---@param pos integer
---@return integer line
---@return integer column
function Source:position(pos)
  local line = line_of(self, pos)
  return line + self.first_line - 1, column_of(self, self.starts[line], pos) + self.indent
end

--- The text of a line of the file.
---@param line integer
---@return string
function Source:line(line)
  local start = self.starts[line - self.first_line + 1]
  return start and self.text:match("[^\n]*", start) or ""
end

-- The part of a wide line that is shown: about a hundred characters around a column.
-- Gives its text and how many columns the caret moves to the left.
local function window(text, column)
  local characters = {}
  for character in text:gmatch(utf8.charpattern) do characters[#characters + 1] = character end
  local count = #characters
  if count <= WIDEST then return text, 0 end
  local offset = math.max(0, math.min(column - WIDEST // 3, count - WIDEST))
  if offset > 0 then characters[offset + 1] = "…" end
  local last = offset + WIDEST
  if last < count then characters[last] = "…" end
  return table.concat(characters, "", offset + 1, last), offset
end

--- The source line of a position and, below it, a caret (`^~~~`) under the span.
---@param pos integer
---@param stop? integer   where the span ends
---@return string
function Source:excerpt(pos, stop)
  local line = line_of(self, pos)
  local start = self.starts[line]
  local text = self.text:match("[^\n]*", start)
  local column = column_of(self, start, pos)
  local last = math.min((stop or pos) - 1, start + #text - 1)
  local shown, offset = window(text:gsub("\t", " "), column)
  local width = math.max(1, math.min(length(self.text, pos, last), WIDEST + offset - column + 1))
  return ("%s\n%s^%s"):format(shown, (" "):rep(column - offset - 1), ("~"):rep(width - 1))
end

return M
