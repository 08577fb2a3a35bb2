-- The values of the slow interpreter: plain tables with a `kind`, their texts, their
-- JSON and their equality, written from the language page alone. An array is
-- `{kind, items}`; an object `{kind, keys, fields}`, a reply one with `hidden` fields too.

local M = {}

M.null = setmetatable({ kind = "null" }, { __tostring = function() return "null" end })

function M.array(items) return { kind = "array", items = items or {} } end

function M.object() return { kind = "object", keys = {}, fields = {} } end

function M.set(object, key, new)
  if object.fields[key] == nil then object.keys[#object.keys + 1] = key end
  object.fields[key] = new
end

--- An object of key, value, key, value, …
function M.of(...)
  local object, given = M.object(), { ... }
  for i = 1, #given, 2 do M.set(object, given[i], given[i + 1]) end
  return object
end

--- A field of an object, one of a reply's hidden ones too; or nil.
function M.get(object, key)
  local found = object.fields[key]
  if found == nil and object.hidden then found = object.hidden[key] end
  return found
end

function M.kind(v)
  return type(v) == "table" and v.kind or type(v)
end

function M.truthy(v)
  return not (v == M.null or v == false or v == 0 or v == "")
end

--- Raises an error of the language.
function M.raise(type_name, message, fields)
  error({ type = type_name, message = message or "?", fields = fields }, 0)
end

-- Texts ----------------------------------------------------------------------------------

-- The shortest digits that read back as the same double, and its decimal exponent.
local function digits_of(n)
  for precision = 0, 16 do
    local text = ("%." .. precision .. "e"):format(n)
    if tonumber(text) == n then
      local whole, rest, exponent = text:match "^(%d)%.?(%d*)e([-+]%d+)$"
      return (whole .. rest):gsub("0+$", ""), tonumber(exponent) + 1
    end
  end
end

-- A positive double as JavaScript prints it.
local function double_text(n)
  local digits, point = digits_of(n)
  if point > 21 or point < -5 then
    local mantissa = #digits > 1 and digits:sub(1, 1) .. "." .. digits:sub(2) or digits
    return ("%se%s%d"):format(mantissa, point > 0 and "+" or "-", math.abs(point - 1))
  end
  if point <= 0 then return "0." .. ("0"):rep(-point) .. digits end
  if #digits <= point then return digits .. ("0"):rep(point - #digits) end
  return digits:sub(1, point) .. "." .. digits:sub(point + 1)
end

function M.number_text(n)
  if math.type(n) == "integer" or math.abs(n) < 2.0 ^ 63 and n % 1 == 0 then return ("%d"):format(n) end
  if n == 0 then return "0" end
  return n < 0 and "-" .. double_text(-n) or double_text(n)
end

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ["\b"] = "\\b", ["\f"] = "\\f" }

local function string_json(s)
  return '"' .. s:gsub('[%c"\\]', function(c)
    if c == "\127" then return c end
    return escapes[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

--- The compact JSON of a value; an error for one inside itself.
function M.json(v, inside)
  local kind = M.kind(v)
  if kind == "string" then return string_json(v) end
  if kind == "number" then return M.number_text(v) end
  if kind == "null" or kind == "boolean" then return tostring(v) end
  inside = inside or {}
  if inside[v] then M.raise("type", "a value inside itself") end
  inside[v] = true
  local parts = {}
  if kind == "array" then
    for i, item in ipairs(v.items) do parts[i] = M.json(item, inside) end
  else
    for i, key in ipairs(v.keys) do parts[i] = string_json(key) .. ":" .. M.json(v.fields[key], inside) end
  end
  inside[v] = nil
  local inner = table.concat(parts, ",")
  return kind == "array" and "[" .. inner .. "]" or "{" .. inner .. "}"
end

--- What `{{ }}` inserts.
function M.text(v)
  local kind = M.kind(v)
  if kind == "string" then return v end
  if kind == "object" and v.reply then
    local output = M.get(v, "output")
    if output ~= nil and output ~= M.null then return M.text(output) end
  end
  return M.json(v)
end

-- Equality and copies ---------------------------------------------------------------------

local function equal_items(a, b)
  if #a.items ~= #b.items then return false end
  for i, item in ipairs(a.items) do
    if not M.equal(item, b.items[i]) then return false end
  end
  return true
end

function M.equal(a, b)
  if a == b then return true end
  local kind = M.kind(a)
  if kind ~= M.kind(b) then return false end
  if kind == "array" then return equal_items(a, b) end
  if kind ~= "object" or #a.keys ~= #b.keys then return false end
  for _, key in ipairs(a.keys) do
    if b.fields[key] == nil or not M.equal(a.fields[key], b.fields[key]) then return false end
  end
  return true
end

--- A deep copy; what is shared stays shared in it.
function M.copy(v, known)
  if type(v) ~= "table" or v == M.null then return v end
  known = known or {}
  if known[v] then return known[v] end
  local made = { kind = v.kind, reply = v.reply }
  known[v] = made
  for _, part in ipairs { "items", "fields", "hidden" } do
    if v[part] then
      made[part] = {}
      for key, item in pairs(v[part]) do made[part][key] = M.copy(item, known) end
    end
  end
  made.keys = v.keys and table.move(v.keys, 1, #v.keys, 1, {})
  return made
end

-- Reading JSON ----------------------------------------------------------------------------

local function skip(text, at) return text:match("^[ \t\r\n]*()", at) end

local read

local unescapes = { n = "\n", t = "\t", r = "\r", b = "\b", f = "\f", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }

local function read_string(text, at)
  local parts = {}
  while true do
    local plain, char, after = text:match('^([^"\\%c]*)(["\\])()', at)
    if not char then return nil end
    parts[#parts + 1] = plain
    if char == '"' then return table.concat(parts), after end
    local hex = text:match("^u(%x%x%x%x)", after)
    local escaped = text:sub(after, after)
    if hex then
      parts[#parts + 1], at = utf8.char(tonumber(hex, 16)), after + 5
    elseif unescapes[escaped] then
      parts[#parts + 1], at = unescapes[escaped], after + 1
    else
      return nil
    end
  end
end

local function read_array(text, at)
  local items = {}
  at = skip(text, at)
  if text:sub(at, at) == "]" then return M.array(items), at + 1 end
  while true do
    local item
    item, at = read(text, at)
    if item == nil then return nil end
    items[#items + 1] = item
    at = skip(text, at)
    local char = text:sub(at, at)
    if char == "]" then return M.array(items), at + 1 end
    if char ~= "," then return nil end
    at = at + 1
  end
end

local function read_object(text, at)
  local object = M.object()
  at = skip(text, at)
  if text:sub(at, at) == "}" then return object, at + 1 end
  while true do
    at = skip(text, at)
    if text:sub(at, at) ~= '"' then return nil end
    local key, item
    key, at = read_string(text, at + 1)
    at = key and text:match("^[ \t\r\n]*:()", at)
    if not at then return nil end
    item, at = read(text, at)
    if item == nil then return nil end
    M.set(object, key, item)
    at = skip(text, at)
    local char = text:sub(at, at)
    if char == "}" then return object, at + 1 end
    if char ~= "," then return nil end
    at = at + 1
  end
end

local constants = { ["true"] = true, ["false"] = false, null = M.null }

function read(text, at)
  at = skip(text, at)
  local char = text:sub(at, at)
  if char == '"' then return read_string(text, at + 1) end
  if char == "[" then return read_array(text, at + 1) end
  if char == "{" then return read_object(text, at + 1) end
  local word, after = text:match("^(%a+)()", at)
  if word then return constants[word], after end
  local number, past = text:match("^(-?%d+%.?%d*[eE]?[-+]?%d*)()", at)
  if not number or number:find "^-?0%d" or number:find "[.eE+-]$" then return nil end
  return tonumber(number), past
end

--- The value of a JSON text, or nil.
function M.parse(text)
  local found, at = read(text, 1)
  if found ~= nil and skip(text, at) > #text then return found end
end

return M
