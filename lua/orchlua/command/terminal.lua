-- How things look on a terminal, and what must not reach one: colours where they
-- are wanted, and text from agents without its control characters, so that no
-- reply can move the cursor or forge a line.

local core = require "orchlua.core"

local M = {}

local codes = { bold = "1", dim = "2", red = "31", green = "32", yellow = "33", blue = "34", cyan = "36" }

--- Whether a stream is a terminal that may be drawn on.
---@param descriptor integer   1 or 2
function M.is_terminal(descriptor)
  if os.getenv "TERM" == "dumb" or not os.getenv "TERM" then return false end
  return core.terminal.is_terminal(descriptor)
end

--- A painter: `paint("red", text)` colours, or leaves the text as it is.
---@param on boolean
function M.painter(on)
  if not on or os.getenv "NO_COLOR" then return function(_, text) return text end end
  return function(colour, text) return ("\27[%sm%s\27[0m"):format(codes[colour], text) end
end

-- What a terminal obeys, besides the control characters of ASCII: those of Latin 1, and the signs that end a
-- line or turn the direction of what follows.
local OBEYED = {
  { lead = "\194", pattern = "\194[\128-\159]" },
  { lead = "\226\128", pattern = "\226\128[\168-\174]" },
  { lead = "\226\129", pattern = "\226\129[\166-\169]" },
}

local function replace_obeyed(text, with)
  for _, range in ipairs(OBEYED) do
    if text:find(range.lead, 1, true) then text = text:gsub(range.pattern, with) end
  end
  return text
end

--- Text on one line: control characters are shown, not obeyed.
---@param text string
---@return string
function M.clean(text)
  text = text:gsub("[\r\n\t]+", " ")
  text = text:gsub("[%c\127]", "·")
  return replace_obeyed(text, "·")
end

--- Text on as many lines as it has, without other control characters.
---@param text string
---@return string
function M.clean_lines(text)
  text = text:gsub("\r\n", "\n"):gsub("[^\n\t\32-\126\128-\255]", "·")
  return replace_obeyed(text, "·")
end

local function json_escape(character) return ("\\u%04x"):format(utf8.codepoint(character)) end

--- JSON in which no character is one that a terminal obeys.
---@param text string
---@return string
function M.clean_json(text)
  if text:find("\127", 1, true) then text = text:gsub("\127", "\\u007f") end
  return replace_obeyed(text, json_escape)
end

-- Characters that take no column, and those that take two: from, to.
local NONE = { { 0x300, 0x36f }, { 0x1ab0, 0x1aff }, { 0x200b, 0x200f }, { 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff }, { 0xe0100, 0xe01ef } }
local TWO = { { 0x1100, 0x115f }, { 0x2e80, 0x303e }, { 0x3041, 0xa4cf }, { 0xa960, 0xa97f }, { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe30, 0xfe6f },
  { 0xff00, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1faff }, { 0x20000, 0x3fffd } }

local function among(ranges, code)
  for _, range in ipairs(ranges) do
    if code <= range[2] then return code >= range[1] end
  end
  return false
end

local function columns(code)
  if code < 0x300 then return 1 end
  return among(NONE, code) and 0 or among(TWO, code) and 2 or 1
end

--- The columns that a text takes.
---@param text string
---@return integer
function M.width(text)
  if not text:find "[\128-\255]" then return #text end
  local width = 0
  for _, code in utf8.codes(core.value.utf8(text)) do width = width + columns(code) end
  return width
end

--- As much of a text as `width` columns take, with `…` where some is left out.
---@param text string
---@param width integer
function M.shorten(text, width)
  if M.width(text) <= width then return text end
  text = core.value.utf8(text)
  local used = 0
  for at, code in utf8.codes(text) do
    used = used + columns(code)
    if used >= width then return text:sub(1, at - 1) .. "…" end
  end
end

--- A text in just so many columns.
---@param text string
---@param width integer
function M.padded(text, width)
  text = M.shorten(text, width)
  return text .. (" "):rep(width - M.width(text))
end

--- As much of the end of a text as `width` columns take, with `…` where some is left out.
---@param text string
---@param width integer
function M.ending(text, width)
  text = core.value.utf8(text)
  local left = M.width(text)
  if left <= width then return text end
  for at, code in utf8.codes(text) do
    if left < width then return "…" .. text:sub(at) end
    left = left - columns(code)
  end
  return "…"
end

--- A word as a shell takes it.
---@param word string
function M.quoted(word)
  if word:find "^[%w_./:@%%+,=\128-\255-]+$" then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- Seconds as a person reads them: `0.3 s`, `12 s`, `4 min 05 s`, `2 h 03 min`.
---@param seconds number
function M.seconds(seconds)
  if seconds < 0.0005 then return "0 s" end
  if seconds < 1 then return ("%d ms"):format(math.floor(seconds * 1000 + 0.5)) end
  if seconds < 10 then return ("%.1f s"):format(seconds) end
  if seconds < 60 then return ("%d s"):format(math.floor(seconds)) end
  if seconds < 3600 then return ("%d min %02d s"):format(seconds // 60, math.floor(seconds % 60)) end
  return ("%d h %02d min"):format(seconds // 3600, math.floor(seconds % 3600 / 60))
end

return M
