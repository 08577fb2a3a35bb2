-- Functions of strings, and the parts of them that methods and functions of lists
-- share. Lengths and positions count code points; texts are looked for as they
-- are, never as patterns; all take time in proportion to their strings.

local case = require "orchlua.functions.case"
local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local cost = require "orchlua.functions.cost"
local errors = require "orchlua.error"

local value, json = core.value, core.json
local null, array = value.null, value.array
local sub, find, byte = string.sub, value.find, string.byte

local M = {}

-- Cutting ----------------------------------------------------------------------

local SHORT = 1000

local function length_of(s)
  return utf8.len(s) or #s
end

--- The number of a string's code points.
---@param s string
---@return integer
function M.length(run, s)
  -- Most are short, and asked for often.
  if #s > SHORT then cost.searched(run, #s) end
  return length_of(s)
end

-- JavaScript's rule for slice: cut to a whole number, negative counts from the
-- end, beyond an end is the end.
local function bounded(name, index, length, default)
  if index == nil or index == null then return default end
  check.number(name, index)
  if index < 0 then
    index = math.ceil(index)
    return index < 0 and math.max(0, length + math.max(index, -length)) or 0
  end
  return math.floor(math.min(index, length))
end

local function slice_string(name, s, first, past)
  local length = length_of(s)
  first, past = bounded(name, first, length, 0), bounded(name, past, length, length)
  if past <= first then return "" end
  if length == #s then return sub(s, first + 1, past) end
  local from = utf8.offset(s, first + 1)
  return sub(s, from, utf8.offset(s, past - first + 1, from) - 1)
end

--- The part of a string or an array from `first` to before `past`.
function M.slice(run, name, of, first, past)
  if type(of) == "string" then
    cost.searched(run, #of)
    return slice_string(name, of, first, past)
  end
  if value.kind(of) ~= "array" then check.wrong(name, "an array or a string", of) end
  local length = #of
  first, past = bounded(name, first, length, 0), bounded(name, past, length, length)
  run:charge(math.max(0, past - first))
  return array(table.move(of, first + 1, past, 1, {}))
end

--- A string's characters backwards.
function M.reverse(run, s)
  cost.written(run, #s)
  return (s:gsub("[\194-\244][\128-\191]+", string.reverse):reverse())
end

local function characters(run, name, s)
  local length = length_of(s)
  check.elements_limit(name, length)
  run:charge(length)
  local list = {}
  if length == #s then
    for i = 1, length do list[i] = sub(s, i, i) end
    return list
  end
  local i = 0
  for character in s:gmatch(utf8.charpattern) do
    i = i + 1
    list[i] = character
  end
  return list
end

-- Parts, or places, that are charged at once.
local AT_ONCE = 1024

local function parts(run, name, s, separator)
  local list, count, from = {}, 0, 1
  cost.searched(run, #s)
  while true do
    local first, last = find(s, separator, from, true)
    count = count + 1
    list[count] = sub(s, from, (first or 0) - 1)
    if not first then break end
    from = last + 1
    if count % AT_ONCE == 0 then
      run:charge(AT_ONCE)
      check.elements_limit(name, count)
    end
  end
  run:charge(count % AT_ONCE)
  return list
end

--- An array of the parts of a string between the separators; all characters for "".
function M.split(run, name, s, separator)
  if separator == "" then return array(characters(run, name, s)) end
  return array(parts(run, name, s, separator))
end

--- The texts of a collection's elements with the separator between them.
function M.join(run, name, list, separator)
  local items, texts, size = check.elements(name, list), {}, 0
  run:charge(#items)
  for i = 1, #items do
    local item = items[i]
    if type(item) ~= "string" then item = check.text(run, name, item) end
    texts[i] = item
    size = size + #item + #separator
    check.bytes_limit(name, size)
  end
  cost.copied(run, size)
  return table.concat(texts, separator)
end

-- Changing ------------------------------------------------------------------------

-- As in JavaScript and Python, an empty text is found before each character and at the end.
local function interleaved(run, name, s, new)
  local length = length_of(s)
  check.bytes_limit(name, #s + (length + 1) * #new)
  run:charge(length)
  return (s:gsub(utf8.charpattern, function(character) return new .. character end)) .. new
end

--- `s` with `new` for the first `old`.
function M.replace_first(run, name, s, old, new)
  cost.searched(run, #s + #new)
  local first, last = find(s, old, 1, true)
  if not first then return s end
  check.bytes_limit(name, #s + #new)
  return sub(s, 1, first - 1) .. new .. sub(s, last + 1)
end

--- `s` with `new` for every `old`.
function M.replace_all(run, name, s, old, new)
  if old == "" then return interleaved(run, name, s, new) end
  cost.searched(run, #s)
  local pieces, count, from, size = {}, 0, 1, #s
  while true do
    local first, last = find(s, old, from, true)
    if not first then break end
    pieces[count + 1], pieces[count + 2] = sub(s, from, first - 1), new
    count, from = count + 2, last + 1
    size = size + #new - #old
    check.bytes_limit(name, size)
    if count % AT_ONCE == 0 then run:charge(AT_ONCE // 2) end
  end
  cost.copied(run, size)
  if count == 0 then return s end
  pieces[count + 1] = sub(s, from)
  return table.concat(pieces)
end

-- White space as JavaScript's trim has it, beside ASCII's: the characters by their bytes.
local spaces = {}
for _, code in ipairs {
  0xA0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200A, 0x2028, 0x2029, 0x202F, 0x205F,
  0x3000, 0xFEFF,
} do
  spaces[utf8.char(code)] = true
end

local function is_ascii_space(b)
  return b == 32 or b and b >= 9 and b <= 13
end

-- Past the white space that begins at byte `from`.
local function skip_forward(s, from)
  while true do
    local b = byte(s, from)
    if is_ascii_space(b) then
      from = from + 1
    elseif b == 0xC2 and spaces[sub(s, from, from + 1)] then
      from = from + 2
    elseif b and b > 0xE0 and spaces[sub(s, from, from + 2)] then
      from = from + 3
    else
      return from
    end
  end
end

-- Before the white space that ends at byte `to`.
local function skip_backward(s, to)
  while true do
    local b = byte(s, to)
    if is_ascii_space(b) then
      to = to - 1
    elseif b < 0x80 then
      return to
    elseif spaces[sub(s, to - 1, to)] then
      to = to - 2
    elseif spaces[sub(s, to - 2, to)] then
      to = to - 3
    else
      return to
    end
  end
end

--- `s` without the white space around it.
function M.trim(run, s)
  local from = skip_forward(s, 1)
  local trimmed = from <= #s and sub(s, from, skip_backward(s, #s)) or ""
  cost.copied(run, #trimmed)
  cost.written(run, #s - #trimmed)
  return trimmed
end

--- `s` in upper, in lower case.
function M.upper(run, s)
  cost.written(run, #s)
  return case.upper(s)
end

function M.lower(run, s)
  cost.written(run, #s)
  return case.lower(s)
end

--- Whether `s` begins, or ends, with a text.
function M.starts_with(run, s, start)
  cost.copied(run, #start)
  return sub(s, 1, #start) == start
end

function M.ends_with(run, s, ending)
  cost.copied(run, #ending)
  return ending == "" or sub(s, -#ending) == ending
end

--- Where a text first occurs, or nil.
---@return integer? byte
function M.position(run, s, text)
  cost.searched(run, #s)
  return (find(s, text))
end

-- The functions -----------------------------------------------------------------------

---@type table<string, orchlua.Function>
local functions = {}
M.functions = functions

--- SPLIT(s, separator): an array of the parts between; of the characters for "".
functions.SPLIT = { min = 2, max = 2, returns = "array", fn = function(run, s, separator)
  return M.split(run, "SPLIT", check.string("SPLIT", s), check.string("SPLIT", separator))
end }

--- JOIN(list[, separator]): the elements' texts in one string; "," between by default.
functions.JOIN = { min = 1, max = 2, returns = "string", fn = function(run, list, separator)
  return M.join(run, "JOIN", list, separator == nil and "," or check.string("JOIN", separator))
end }

--- REPLACE(s, old, new): the string with `new` for every `old`.
functions.REPLACE = { min = 3, max = 3, returns = "string", fn = function(run, s, old, new)
  return M.replace_all(run, "REPLACE", check.string("REPLACE", s), check.string("REPLACE", old), check.string("REPLACE", new))
end }

--- TRIM(s): the string without white space around it.
functions.TRIM = { min = 1, max = 1, returns = "string", fn = function(run, s) return M.trim(run, check.string("TRIM", s)) end }

--- UPPER(s), LOWER(s): the string in upper, in lower case.
functions.UPPER = { min = 1, max = 1, returns = "string", fn = function(run, s) return M.upper(run, check.string("UPPER", s)) end }
functions.LOWER = { min = 1, max = 1, returns = "string", fn = function(run, s) return M.lower(run, check.string("LOWER", s)) end }

--- STARTS_WITH(s, start): whether the string begins with the text.
functions.STARTS_WITH = { min = 2, max = 2, returns = "boolean", fn = function(run, s, start)
  return M.starts_with(run, check.string("STARTS_WITH", s), check.string("STARTS_WITH", start))
end }

--- ENDS_WITH(s, ending): whether the string ends with the text.
functions.ENDS_WITH = { min = 2, max = 2, returns = "boolean", fn = function(run, s, ending)
  return M.ends_with(run, check.string("ENDS_WITH", s), check.string("ENDS_WITH", ending))
end }

--- FORMAT(template, v, …): a string in which each `{}` is the text of the next
--- value. Values left over are passed over; too few are an error.
functions.FORMAT = { min = 1, max = math.huge, returns = "string", fn = function(run, template, ...)
  local values, used, size = { ... }, 0, #check.string("FORMAT", template)
  local made = template:gsub("{}", function()
    used = used + 1
    if values[used] == nil then
      errors.raise("type", ("FORMAT has more `{}` than values (%d)"):format(#values))
    end
    local inserted = check.text(run, "FORMAT", values[used])
    size = size + #inserted - 2
    check.bytes_limit("FORMAT", size)
    return inserted
  end)
  cost.written(run, #template)
  cost.copied(run, #made)
  return made
end }

-- JSON ------------------------------------------------------------------------------

-- JavaScript's rule for the indent: at most 10 spaces, or as much of a text as fits
-- 10 bytes; 0 and "" for none.
local function indent_of(name, indent)
  if indent == nil or indent == null then return nil end
  if type(indent) == "number" then
    local count = math.floor(math.max(0, math.min(10, indent)))
    return count > 0 and count or nil
  end
  if type(indent) ~= "string" then check.wrong(name, "an indent that is a number or a string", indent) end
  local characters_kept = math.min(10, length_of(indent:sub(1, 64)))
  while utf8.offset(indent, characters_kept + 1) > 11 do characters_kept = characters_kept - 1 end
  return characters_kept > 0 and slice_string(name, indent, 0, characters_kept) or nil
end

--- JSON.stringify(v[, indent]): the value's JSON; over several lines with an indent.
functions["JSON.stringify"] = { min = 1, max = 2, returns = "string", fn = function(run, v, indent)
  return check.json(run, "JSON.stringify", v, indent_of("JSON.stringify", indent))
end }

--- JSON.parse(s): the value of a JSON text; an error of type `json` for what is none.
functions["JSON.parse"] = { min = 1, max = 1, fn = function(run, s)
  cost.written(run, #check.string("JSON.parse", s))
  local parsed, problem, at = json.decode(s)
  if parsed == nil then errors.raise("json", ("this is no JSON: %s, at byte %d"):format(problem, at)) end
  return parsed
end }

--- HASH(v): the SHA-256 of the value's JSON, in hexadecimal.
functions.HASH = { min = 1, max = 1, returns = "string", fn = function(run, v)
  return core.digest.sha256(check.json(run, "HASH", v))
end }

return M
