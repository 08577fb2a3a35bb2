-- Upper and lower case of the letters of Latin, Greek, Cyrillic and Armenian. Other
-- letters stay as they are, and so does a Greek sigma that would end a word.

local M = {}

-- Lower-case letters: the first and last code point, the step between them, and
-- the distance to the upper-case ones.
local ranges = {
  { 0xE0, 0xF6, 1, -32 }, { 0xF8, 0xFE, 1, -32 }, { 0xFF, 0xFF, 1, 121 }, -- Latin-1
  { 0x101, 0x12F, 2, -1 }, { 0x133, 0x137, 2, -1 }, { 0x13A, 0x148, 2, -1 }, { 0x14B, 0x177, 2, -1 }, { 0x17A, 0x17E, 2, -1 },
  { 0x1A1, 0x1A5, 2, -1 }, { 0x1B0, 0x1B0, 1, -1 }, { 0x1CE, 0x1DC, 2, -1 }, { 0x1DF, 0x1EF, 2, -1 }, { 0x1F9, 0x21F, 2, -1 },
  { 0x1E01, 0x1E95, 2, -1 }, { 0x1EA1, 0x1EFF, 2, -1 }, -- Latin, Vietnamese too
  { 0x3AC, 0x3AC, 1, -38 }, { 0x3AD, 0x3AF, 1, -37 }, { 0x3B1, 0x3C1, 1, -32 }, { 0x3C3, 0x3CB, 1, -32 }, { 0x3CC, 0x3CC, 1, -64 },
  { 0x3CD, 0x3CE, 1, -63 }, -- Greek
  { 0x430, 0x44F, 1, -32 }, { 0x450, 0x45F, 1, -80 }, { 0x461, 0x481, 2, -1 }, { 0x48B, 0x4BF, 2, -1 }, { 0x4C2, 0x4CE, 2, -1 },
  { 0x4D1, 0x52F, 2, -1 }, -- Cyrillic
  { 0x561, 0x586, 1, -48 }, -- Armenian
}

-- Those that go one way only.
local upper = { ["µ"] = "Μ", ["ß"] = "SS", ["ı"] = "I", ["ŉ"] = "ʼN", ["ſ"] = "S", ["ς"] = "Σ" }
upper["ΐ"], upper["ΰ"] = utf8.char(0x399, 0x308, 0x301), utf8.char(0x3A5, 0x308, 0x301)
local lower = { ["İ"] = "i̇", ["ẞ"] = "ß" }

-- The tables are filled when first a letter is met that needs them: many a program meets none.
local filled = false

local function fill()
  filled = true
  for _, range in ipairs(ranges) do
    for code = range[1], range[2], range[3] do
      local small, capital = utf8.char(code), utf8.char(code + range[4])
      upper[small], lower[capital] = capital, small
    end
  end
end

local function change(s, letters)
  if not s:find "[\194-\225]" then return s end
  if not filled then fill() end
  return (s:gsub("[\194-\225][\128-\191]+", letters))
end

--- `s` in upper case.
---@param s string
---@return string
function M.upper(s) return change(s:upper(), upper) end

--- `s` in lower case.
---@param s string
---@return string
function M.lower(s) return change(s:lower(), lower) end

return M
