-- Functions and methods of the slow interpreter: the shortest ways to compute what the
-- language page says. A function is called with values; an element expression is a
-- Lua function of (element, key).

local values = require "spec.support.interpreter.values"

local null, kind, truthy, array, raise = values.null, values.kind, values.truthy, values.array, values.raise

local M = { functions = {}, methods = {} }
local F, methods = M.functions, M.methods

-- Arguments ---------------------------------------------------------------------------------

local function takes(v, ...)
  for _, allowed in ipairs { ... } do
    if kind(v) == allowed then return v end
  end
  raise "type"
end

local function number(v) return takes(v, "number") end
local function text(v) return takes(v, "string") end

local function whole(v)
  return math.tointeger(number(v)) or raise "type"
end

-- The elements of an array or the values of an object, and their keys.
local function elements(v)
  takes(v, "array", "object")
  local items, keys = {}, {}
  if v.items then
    for i, item in ipairs(v.items) do items[i], keys[i] = item, i - 1 end
  else
    for i, key in ipairs(v.keys) do items[i], keys[i] = v.fields[key], key end
  end
  return items, keys
end

local function finite(n)
  if n ~= n or n == math.huge or n == -math.huge then raise "arithmetic" end
  return n
end

-- What an element expression gives for each element.
local function each(list, f)
  local items, keys = elements(list)
  local made = {}
  for i, item in ipairs(items) do
    if f then made[i] = f(item, keys[i]) else made[i] = item end
  end
  return made, items, keys
end

-- Counting, testing, choosing ----------------------------------------------------------------

function F.COUNT(list, f)
  if not f then return #elements(list) end
  local count = 0
  for _, found in ipairs(each(list, f)) do
    if truthy(found) then count = count + 1 end
  end
  return count
end

-- The first element that is true, or makes the expression true; those behind it are not looked at.
local function first(list, f, wanted)
  local items, keys = elements(list)
  for i, item in ipairs(items) do
    local found = item
    if f then found = f(item, keys[i]) end
    if truthy(found) == wanted then return i, item end
  end
end

function F.ANY(list, f) return first(list, f, true) ~= nil end
function F.ALL(list, f) return first(list, f, false) == nil end

function F.FIND(list, f)
  local at, item = first(list, f, true)
  if at then return item end
  return null
end

function F.FILTER(list, f)
  local made, items, keys = each(list, f)
  local kept = kind(list) == "object" and values.object() or array()
  for i, found in ipairs(made) do
    if truthy(found) then
      if kept.items then table.insert(kept.items, items[i]) else values.set(kept, keys[i], items[i]) end
    end
  end
  return kept
end

function F.MAP(list, f) return array((each(list, f))) end

function F.REDUCE(list, f, start)
  local sum = start
  for _, item in ipairs((elements(list))) do
    if sum == nil then sum = item else sum = f(sum, item) end
  end
  if sum == nil then return null end
  return sum
end

function F.GROUP_BY(list, f)
  local made, items = each(list, f)
  local groups = values.object()
  for i, key in ipairs(made) do
    local name = values.text(key)
    if not groups.fields[name] then values.set(groups, name, array()) end
    table.insert(groups.fields[name].items, items[i])
  end
  return groups
end

-- Whether keys are all numbers or all strings, nulls aside; gives the places that are not null.
local function comparable(keys)
  local known, common = {}, nil
  for i, key in ipairs(keys) do
    if key ~= null then
      takes(key, "number", "string")
      common = common or kind(key)
      if kind(key) ~= common then raise "type" end
      known[#known + 1] = i
    end
  end
  return known
end

function F.SORT(list, f, order)
  local keys, items = each(list, f)
  local known, sorted = comparable(keys), {}
  for _, i in ipairs(known) do
    local at = 1
    while sorted[at] do
      local other = keys[sorted[at]]
      if order == "desc" and other < keys[i] or order ~= "desc" and keys[i] < other then break end
      at = at + 1
    end
    table.insert(sorted, at, i)
  end
  for i, key in ipairs(keys) do
    if key == null then sorted[#sorted + 1] = i end
  end
  for at, i in ipairs(sorted) do sorted[at] = items[i] end
  return array(sorted)
end

-- Lists and objects -----------------------------------------------------------------------------

function F.RANGE(a, b, step)
  if b == nil then a, b = 0, a end
  a, b, step = number(a), number(b), number(step or 1)
  a, b, step = math.tointeger(a) or a, math.tointeger(b) or b, math.tointeger(step) or step
  if step == 0 then raise "arithmetic" end
  local list, n = {}, a
  while step > 0 and n < b or step < 0 and n > b do
    list[#list + 1] = n
    n = a + #list * step
  end
  return array(list)
end

function F.LENGTH(v)
  takes(v, "string", "array", "object")
  if kind(v) == "string" then return utf8.len(v) end
  return #(v.items or v.keys)
end

function F.KEYS(v)
  local _, keys = elements(v)
  return array(keys)
end

function F.VALUES(v) return array((elements(v))) end

function F.ENTRIES(v)
  local items, keys = elements(v)
  for i, item in ipairs(items) do items[i] = array { keys[i], item } end
  return array(items)
end

local function characters(s)
  local list = {}
  for _, code in utf8.codes(s) do list[#list + 1] = utf8.char(code) end
  return list
end

local function place(n, length, default)
  if n == nil or n == null then return default end
  n = number(n)
  n = n < 0 and math.ceil(n) or math.floor(n)
  if n < 0 then n = n + length end
  return math.max(0, math.min(n, length))
end

function F.SLICE(v, from, past)
  takes(v, "array", "string")
  local items = v.items or characters(v)
  from, past = place(from, #items, 0), place(past, #items, #items)
  local part = {}
  for i = from + 1, past do part[#part + 1] = items[i] end
  return kind(v) == "string" and table.concat(part) or array(part)
end

function F.REVERSE(v)
  local items, reversed = kind(v) == "string" and characters(v) or elements(v), {}
  for _, item in ipairs(items) do table.insert(reversed, 1, item) end
  return kind(v) == "string" and table.concat(reversed) or array(reversed)
end

local function position(items, x)
  for i, item in ipairs(items) do
    if values.equal(item, x) then return i end
  end
end

function F.UNIQUE(list, f)
  local made, items = each(list, f)
  local seen, kept = {}, {}
  for i, key in ipairs(made) do
    if not position(seen, key) then
      seen[#seen + 1], kept[#kept + 1] = key, items[i]
    end
  end
  return array(kept)
end

local function flatten(items, depth, into)
  for _, item in ipairs(items) do
    if depth > 0 and kind(item) == "array" then flatten(item.items, depth - 1, into) else into[#into + 1] = item end
  end
  return into
end

function F.FLATTEN(list, depth)
  local items = elements(list)
  return array(flatten(items, depth and whole(depth) or 1, {}))
end

function F.ZIP(...)
  local lists, rows = { ... }, {}
  for i, list in ipairs(lists) do lists[i] = elements(list) end
  while true do
    local row = {}
    for i, list in ipairs(lists) do row[i] = list[#rows + 1] end
    if #row < #lists then return array(rows) end
    rows[#rows + 1] = array(row)
  end
end

function F.MERGE(...)
  local merged = values.object()
  for _, object in ipairs { ... } do takes(object, "object") end
  for _, object in ipairs { ... } do
    for _, key in ipairs(object.keys) do values.set(merged, key, object.fields[key]) end
  end
  return merged
end

function F.CONTAINS(v, x)
  takes(v, "array", "object", "string")
  if kind(v) == "array" then return position(v.items, x) ~= nil end
  if kind(v) == "string" then return v:find(text(x), 1, true) ~= nil end
  return v.fields[values.text(takes(x, "string", "number", "boolean"))] ~= nil
end

function F.APPEND(list, ...)
  local items = table.move(takes(list, "array").items, 1, #list.items, 1, {})
  for _, item in ipairs { ... } do items[#items + 1] = item end
  return array(items)
end

-- Numbers --------------------------------------------------------------------------------------

local function numbers(list, f)
  local found = {}
  for _, n in ipairs((each(list, f))) do
    if n ~= null then found[#found + 1] = number(n) end
  end
  return found
end

-- The sum; a whole one that leaves 64 bits goes on as a double, and says so.
local function sum_of(found)
  local sum, left = 0, false
  for _, n in ipairs(found) do
    local next_sum = sum + n
    if math.type(next_sum) == "integer" and (n < 0) == (next_sum > sum) and n ~= 0 then
      next_sum, left = sum + 0.0 + n, true
    end
    sum = next_sum
  end
  return sum, left
end

function F.SUM(list, f)
  local sum, left = sum_of(numbers(list, f))
  if left then raise "arithmetic" end
  return finite(sum)
end

local function mean(found)
  local sum = sum_of(found)
  if math.type(sum) == "integer" and sum % #found == 0 then return sum // #found end
  return finite(sum / #found)
end

function F.AVERAGE(list, f)
  local found = numbers(list, f)
  return #found == 0 and null or mean(found)
end

function F.MEDIAN(list, f)
  local found = numbers(list, f)
  if #found == 0 then return null end
  table.sort(found)
  local half = #found // 2
  if #found % 2 == 1 then return found[half + 1] end
  return mean { found[half], found[half + 1] }
end

function F.VARIANCE(list, f)
  local found = numbers(list, f)
  if #found == 0 then return null end
  local middle, sum = mean(found) + 0.0, 0.0
  for _, n in ipairs(found) do sum = sum + (n - middle) * (n - middle) end
  return finite(sum / #found)
end

local function extreme(better)
  return function(given, second, ...)
    local keys, items
    if type(second) == "function" then
      keys, items = each(given, second)
    else
      items = second ~= nil and { given, second, ... } or (kind(given) == "number" or kind(given) == "string") and { given } or elements(given)
      keys = items
    end
    local best
    for _, i in ipairs(comparable(keys)) do
      if not best or better(keys[i], keys[best]) then best = i end
    end
    if not best then return null end
    return items[best]
  end
end

F.MIN = extreme(function(a, b) return a < b end)
F.MAX = extreme(function(a, b) return a > b end)

local function as_integer(n) return math.tointeger(n) or n end

function F.ROUND(n)
  if math.type(number(n)) == "integer" then return n end
  local down = math.floor(n)
  return as_integer(n - down >= 0.5 and down + 1 or down)
end

function F.FLOOR(n) return as_integer(math.floor(number(n))) end
function F.CEIL(n) return as_integer(math.ceil(number(n))) end

function F.ABS(n)
  if math.type(number(n)) == "integer" and n == math.mininteger then raise "arithmetic" end
  return math.abs(n)
end

-- Strings -----------------------------------------------------------------------------------------

function F.UPPER(s) return text(s):upper() end
function F.LOWER(s) return text(s):lower() end
function F.TRIM(s) return text(s):match "^%s*(.-)%s*$" end

function F.SPLIT(s, separator)
  text(s)
  if text(separator) == "" then return array(characters(s)) end
  local parts, from = {}, 1
  while true do
    local at, last = s:find(separator, from, true)
    parts[#parts + 1] = s:sub(from, (at or 0) - 1)
    if not at then return array(parts) end
    from = last + 1
  end
end

function F.JOIN(list, separator)
  local texts = {}
  separator = separator == nil and "," or separator
  for i, item in ipairs((elements(list))) do texts[i] = values.text(item) end
  return table.concat(texts, text(separator))
end

function F.REPLACE(s, old, new)
  text(s) text(old) text(new)
  if old == "" then return new .. table.concat(characters(s), new) .. (s == "" and "" or new) end
  return table.concat(F.SPLIT(s, old).items, new)
end

function F.STARTS_WITH(s, start) return text(s):sub(1, #text(start)) == start end
function F.ENDS_WITH(s, ending) return #text(ending) <= #text(s) and s:sub(#s - #ending + 1) == ending end

function F.FORMAT(template, ...)
  local given, used = { ... }, 0
  return (text(template):gsub("{}", function()
    used = used + 1
    if given[used] == nil then raise "type" end
    return (values.text(given[used]))
  end))
end

F["JSON.stringify"] = function(v) return values.json(v) end

F["JSON.parse"] = function(s)
  local parsed = values.parse(text(s))
  if parsed == nil then raise "json" end
  return parsed
end

-- Methods -----------------------------------------------------------------------------------------

local function list(v) return takes(v, "array").items end

function methods.push(v, ...)
  for _, item in ipairs { ... } do table.insert(list(v), item) end
  return #list(v)
end

function methods.unshift(v, ...)
  for i, item in ipairs { ... } do table.insert(list(v), i, item) end
  return #list(v)
end

function methods.pop(v)
  if #list(v) == 0 then return null end
  return table.remove(v.items)
end

function methods.shift(v)
  if #list(v) == 0 then return null end
  return table.remove(v.items, 1)
end

function methods.slice(v, from, past) return F.SLICE(v, from, past) end
function methods.join(v, separator) return F.JOIN(array(list(v)), separator) end

function methods.includes(v, x)
  takes(v, "array", "string")
  return F.CONTAINS(v, x)
end

function methods.indexOf(v, x)
  takes(v, "array", "string")
  if v.items then return (position(v.items, x) or 0) - 1 end
  local at = v:find(text(x), 1, true)
  return at and utf8.len(v, 1, at - 1) or -1
end

methods.split, methods.startsWith, methods.endsWith, methods.trim = F.SPLIT, F.STARTS_WITH, F.ENDS_WITH, F.TRIM
methods.toUpperCase, methods.toLowerCase = F.UPPER, F.LOWER

function methods.replace(s, old, new)
  text(s) text(old) text(new)
  local at, last = s:find(old, 1, true)
  return at and s:sub(1, at - 1) .. new .. s:sub(last + 1) or s
end

return M
