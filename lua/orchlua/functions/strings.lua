-- Functions of strings, and those that take strings and arrays alike. Lengths and
-- positions count code points.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local errors = require "orchlua.error"

local value, json = core.value, core.json
local null, array = value.null, value.array

local M = {}

-- Cutting ----------------------------------------------------------------------

-- JavaScript's rule for slice: negative counts from the end, all is clamped.
local function clamp(name, index, length, default)
  if index == nil or index == null then return default end
  local whole = check.whole(name, index)
  if whole < 0 then return math.max(0, length + whole) end
  return math.min(whole, length)
end

local function is_ascii(s)
  return not s:find "[\128-\255]"
end

local function slice_string(name, s, first, past)
  local length = is_ascii(s) and #s or utf8.len(s)
  first, past = clamp(name, first, length, 0), clamp(name, past, length, length)
  if past <= first then return "" end
  if length == #s then return s:sub(first + 1, past) end
  local from = utf8.offset(s, first + 1)
  return s:sub(from, utf8.offset(s, past - first + 1, from) - 1)
end

--- The part of a string or an array from `first` to before `past`.
function M.slice(run, name, of, first, past)
  if type(of) == "string" then return slice_string(name, of, first, past) end
  check.array(name, of)
  first, past = clamp(name, first, #of, 0), clamp(name, past, #of, #of)
  run:charge(math.max(0, past - first))
  return array(table.move(of, first + 1, past, 1, {}))
end

local functions = {}
M.functions = functions

--- SLICE(list or string, first[, past]): negative positions count from the end.
functions.SLICE = { min = 2, max = 3, fn = function(run, of, first, past) return M.slice(run, "SLICE", of, first, past) end }

--- The number of a string's code points.
function M.length(s)
  return is_ascii(s) and #s or utf8.len(s)
end

--- LENGTH(v): elements of an array, keys of an object, code points of a string.
functions.LENGTH = { min = 1, max = 1, returns = "number", fn = function(_, v)
  if type(v) == "string" then return M.length(v) end
  local of = value.kind(v)
  if of ~= "array" and of ~= "object" then check.wrong("LENGTH", "an array, an object or a string", v) end
  return #v
end }

local function characters(s)
  local list = array {}
  if is_ascii(s) then
    for i = 1, #s do list[i] = s:sub(i, i) end
  else
    for _, code in utf8.codes(s) do list[#list + 1] = utf8.char(code) end
  end
  return list
end

--- The parts of a string between the separators; all characters for "".
function M.split(run, s, separator)
  if separator == "" then
    run:charge(#s)
    return characters(s)
  end
  local list, from = array {}, 1
  while true do
    local first, last = s:find(separator, from, true)
    list[#list + 1] = s:sub(from, (first or 0) - 1)
    if not first then break end
    from = last + 1
  end
  run:charge(#list)
  return list
end

--- SPLIT(s, separator).
functions.SPLIT = { min = 2, max = 2, returns = "array", fn = function(run, s, separator)
  return M.split(run, check.string("SPLIT", s), check.string("SPLIT", separator))
end }

--- The texts of a list's elements with the separator between them.
function M.join(run, name, list, separator)
  local items, texts, size = check.elements(name, list), {}, 0
  run:charge(#items)
  for i = 1, #items do
    texts[i] = value.text(items[i])
    size = size + #texts[i] + #separator
    check.limit(size, check.MOST_BYTES, "a string")
  end
  return table.concat(texts, separator)
end

--- JOIN(list[, separator]): "," by default, as in JavaScript.
functions.JOIN = { min = 1, max = 2, returns = "string", fn = function(run, list, separator)
  return M.join(run, "JOIN", list, separator == nil and "," or check.string("JOIN", separator))
end }

-- Changing ------------------------------------------------------------------------

--- `s` with `new` for `old`: the first, or all.
function M.replace(s, old, new, all)
  if old == "" then errors.raise("type", "an empty text cannot be replaced") end
  local pieces, from, size = {}, 1, #s
  repeat
    local first, last = s:find(old, from, true)
    if not first then break end
    pieces[#pieces + 1], pieces[#pieces + 2] = s:sub(from, first - 1), new
    size = size + #new - #old
    check.limit(size, check.MOST_BYTES, "a string")
    from = last + 1
  until not all
  pieces[#pieces + 1] = s:sub(from)
  return table.concat(pieces)
end

--- REPLACE(s, old, new): every `old`, as plain text.
functions.REPLACE = { min = 3, max = 3, returns = "string", fn = function(_, s, old, new)
  return M.replace(check.string("REPLACE", s), check.string("REPLACE", old), check.string("REPLACE", new), true)
end }

-- White space as JavaScript's trim has it.
local spaces = { "\194\160", "\225\154\128", "\226\128[\128-\138]", "\226\128[\168\169\175]", "\226\129\159", "\227\128\128", "\239\187\191" }

local function trimmed(s)
  local again
  repeat
    again = false
    s = s:match "^%s*(.-)%s*$"
    for _, space in ipairs(spaces) do
      local head = s:match("^" .. space .. "()")
      if head then s, again = s:sub(head), true end
      local tail = #s >= 2 and s:match("()" .. space .. "$", -3) or nil
      if tail then s, again = s:sub(1, tail - 1), true end
    end
  until not again
  return s
end

--- `s` without the white space around it.
function M.trim(s)
  local from, to = s:find "%S", #s
  if not from then return "" end
  while to > from and s:find("^%s", to) do to = to - 1 end
  s = s:sub(from, to)
  if not s:find "^[\194\225\226\227\239]" and not s:find("[\128-\191]", -1) then return s end
  return trimmed(s)
end

--- TRIM(s).
functions.TRIM = { min = 1, max = 1, returns = "string", fn = function(_, s) return M.trim(check.string("TRIM", s)) end }

-- Letters beyond ASCII that have the other case at a fixed distance: Latin-1, Greek, Cyrillic.
local function shifted(code, upward)
  local function within(first, last) return code >= first and code <= last end
  if upward then
    if within(0xE0, 0xFE) and code ~= 0xF7 then return code - 32 end
    if within(0x3B1, 0x3C9) and code ~= 0x3C2 then return code - 32 end
    if within(0x430, 0x44F) then return code - 32 end
    if within(0x450, 0x45F) then return code - 80 end
    if within(0x100, 0x137) and code % 2 == 1 then return code - 1 end
  else
    if within(0xC0, 0xDE) and code ~= 0xD7 then return code + 32 end
    if within(0x391, 0x3A9) and code ~= 0x3A2 then return code + 32 end
    if within(0x410, 0x42F) then return code + 32 end
    if within(0x400, 0x40F) then return code + 80 end
    if within(0x100, 0x137) and code % 2 == 0 then return code + 1 end
  end
  return code
end

local function change_case(s, upward)
  s = upward and s:upper() or s:lower()
  if is_ascii(s) then return s end
  return (s:gsub("[\194-\244][\128-\191]+", function(character)
    return utf8.char(shifted(utf8.codepoint(character), upward))
  end))
end

function M.upper(s) return change_case(s, true) end
function M.lower(s) return change_case(s, false) end

--- UPPER(s), LOWER(s): ASCII, Latin-1, Greek and Cyrillic letters.
functions.UPPER = { min = 1, max = 1, returns = "string", fn = function(_, s) return M.upper(check.string("UPPER", s)) end }
functions.LOWER = { min = 1, max = 1, returns = "string", fn = function(_, s) return M.lower(check.string("LOWER", s)) end }

--- STARTS_WITH(s, start), ENDS_WITH(s, ending).
functions.STARTS_WITH = { min = 2, max = 2, returns = "boolean", fn = function(_, s, start)
  return check.string("STARTS_WITH", s):sub(1, #check.string("STARTS_WITH", start)) == start
end }
functions.ENDS_WITH = { min = 2, max = 2, returns = "boolean", fn = function(_, s, ending)
  return ending == "" or check.string("ENDS_WITH", s):sub(-#check.string("ENDS_WITH", ending)) == ending
end }

--- FORMAT(template, v, …): each `{}` becomes the text of the next value.
functions.FORMAT = { min = 1, max = math.huge, returns = "string", fn = function(_, template, ...)
  local values, used, size = { ... }, 0, #check.string("FORMAT", template)
  local text = template:gsub("{}", function()
    used = used + 1
    if values[used] == nil then errors.raise("type", ("FORMAT has %d values for more `{}`"):format(#values)) end
    local inserted = value.text(values[used])
    size = size + #inserted
    check.limit(size, check.MOST_BYTES, "a string")
    return inserted
  end)
  return text
end }

-- JSON ------------------------------------------------------------------------------

--- JSON.stringify(v[, indent]).
functions["JSON.stringify"] = { min = 1, max = 2, returns = "string", fn = function(_, v, indent)
  if indent == null then indent = nil end
  if indent ~= nil and type(indent) ~= "number" and type(indent) ~= "string" then check.wrong("JSON.stringify", "an indent, a number or a string", indent) end
  local text, problem = json.encode(v, indent)
  if text then return text end
  errors.raise(problem:find "larger" and "limit" or "type", "JSON.stringify cannot write " .. (problem:find "^[nl]" and "a value " .. problem or problem))
end }

--- JSON.parse(s): an error of type `json` for what is no JSON.
functions["JSON.parse"] = { min = 1, max = 1, fn = function(_, s)
  local parsed, problem, at = json.decode(check.string("JSON.parse", s))
  if parsed == nil then errors.raise("json", ("this is no JSON: %s, at byte %d"):format(problem, at)) end
  return parsed
end }

return M
