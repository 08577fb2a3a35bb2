-- Functions of arrays and objects. An element function is called as
-- `f(value, key, is_object)`: the key is the 0-based index or the object's key.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local errors = require "orchlua.error"

local value, json = core.value, core.json
local null, array, object = value.null, value.array, value.object
local truthy, elements = check.truthy, check.elements

local M = {}

-- Calls `visit(element, key)` for each element, and counts them as steps.
local function each(run, name, list, visit)
  local items, is_object = elements(name, list)
  run:charge(#items)
  for i = 1, #items do
    if visit(items[i], is_object and list[i] or i - 1, is_object) then return end
  end
end

-- The numbers that `f` gives for the elements, or the elements; nulls are passed over.
local function numbers(run, name, list, f)
  local found, sum = {}, 0
  each(run, name, list, function(item, key, is_object)
    local n = item
    if f then n = f(item, key, is_object) end
    if n == null then return end
    check.number(name, n)
    found[#found + 1] = n
    sum = sum + n
  end)
  return found, sum
end

local function finite(n, name)
  if n - n ~= 0 then errors.raise("arithmetic", ("the result of %s is not finite"):format(name)) end
  return n
end

-- Counting and testing ---------------------------------------------------------

--- COUNT(list): how many elements. COUNT(list, e): how many of them make `e` true.
M.COUNT = { min = 1, max = 2, element = 2, where = true, returns = "number", fn = function(run, list, f)
  local count = 0
  each(run, "COUNT", list, function(item, key, is_object)
    if not f or truthy(f(item, key, is_object)) then count = count + 1 end
  end)
  return count
end }

--- ANY(list[, e]): whether some element is true, or makes `e` true.
M.ANY = { min = 1, max = 2, element = 2, where = true, returns = "boolean", fn = function(run, list, f)
  local found = false
  each(run, "ANY", list, function(item, key, is_object)
    if f then item = f(item, key, is_object) end
    found = truthy(item)
    return found
  end)
  return found
end }

--- ALL(list[, e]): whether all elements are true, or make `e` true.
M.ALL = { min = 1, max = 2, element = 2, where = true, returns = "boolean", fn = function(run, list, f)
  local all = true
  each(run, "ALL", list, function(item, key, is_object)
    if f then item = f(item, key, is_object) end
    all = truthy(item)
    return not all
  end)
  return all
end }

--- FIND(list, e): the first element that makes `e` true, or null.
M.FIND = { min = 2, max = 2, element = 2, where = true, fn = function(run, list, f)
  local found = null
  each(run, "FIND", list, function(item, key, is_object)
    if truthy(f(item, key, is_object)) then
      found = item
      return true
    end
  end)
  return found
end }

-- Choosing and changing -----------------------------------------------------------

local function filter(run, name, list, f)
  local result
  if value.kind(list) == "object" then
    result = object {}
    each(run, name, list, function(item, key)
      if truthy(f(item, key, true)) then
        result[#result + 1] = key
        result[key] = item
      end
    end)
    return result
  end
  result = array {}
  each(run, name, list, function(item, key)
    if truthy(f(item, key, false)) then result[#result + 1] = item end
  end)
  return result
end

local function map(run, name, list, f)
  local result = array {}
  each(run, name, list, function(item, key, is_object) result[#result + 1] = f(item, key, is_object) end)
  return result
end

--- FILTER(list, e): the elements that make `e` true; of an object, an object.
M.FILTER = { min = 2, max = 2, element = 2, where = true, fn = function(run, list, f) return filter(run, "FILTER", list, f) end }

--- MAP(list, e): what `e` gives for each element.
M.MAP = { min = 2, max = 2, element = 2, returns = "array", fn = function(run, list, f) return map(run, "MAP", list, f) end }

--- EXTRACT(list, e): a filter when `e` is a condition, else a map.
M.EXTRACT = { min = 2, max = 2, element = 2, where = true, fn = function(run, list, f, is_condition)
  return (is_condition and filter or map)(run, "EXTRACT", list, f)
end }

--- REDUCE(list, (sum, x) => e[, first]): the elements folded into one value.
M.REDUCE = { min = 2, max = 3, element = 2, reduce = true, fn = function(run, list, f, first)
  local sum = first
  each(run, "REDUCE", list, function(item)
    if sum == nil then sum = item else sum = f(sum, item) end
  end)
  if sum == nil then return null end
  return sum
end }

--- GROUP_BY(list, e): an object from the text of `e` to the elements that give it.
M.GROUP_BY = { min = 2, max = 2, element = 2, returns = "object", fn = function(run, list, f)
  local groups = object {}
  each(run, "GROUP_BY", list, function(item, key, is_object)
    local name = value.text(f(item, key, is_object))
    local group = groups[name]
    if not group then
      group = array {}
      groups[#groups + 1] = name
      groups[name] = group
    end
    group[#group + 1] = item
  end)
  return groups
end }

-- Ordering ---------------------------------------------------------------------------

-- Merges two sorted runs of `from` into `to`; stable.
local function merge(from, to, first, middle, last, before)
  local i, j = first, middle + 1
  for k = first, last do
    if i <= middle and (j > last or not before(from[j], from[i])) then
      to[k], i = from[i], i + 1
    else
      to[k], j = from[j], j + 1
    end
  end
end

local function merge_sort(items, before)
  local from, to, width, count = items, {}, 1, #items
  while width < count do
    for first = 1, count, 2 * width do
      merge(from, to, first, math.min(first + width - 1, count), math.min(first + 2 * width - 1, count), before)
    end
    from, to, width = to, from, width * 2
  end
  return from
end

local function check_keys(name, items)
  local first
  for _, item in ipairs(items) do
    local of = value.kind(item.key)
    if of ~= "null" then
      if of ~= "number" and of ~= "string" then check.wrong(name, "numbers or strings as keys", item.key) end
      if first and of ~= first then
        errors.raise("type", ("%s orders numbers or strings, and its keys are %s and %s"):format(name, check.a(first), check.a(of)))
      end
      first = first or of
    end
  end
end

--- SORT(list[, key [ASC|DESC]]): a sorted copy; stable, null keys last.
M.SORT = { min = 1, max = 2, element = 2, sortable = true, returns = "array", fn = function(run, list, f, descending)
  local items = {}
  each(run, "SORT", list, function(item, key, is_object)
    local by = item
    if f then by = f(item, key, is_object) end
    items[#items + 1] = { item = item, key = by }
  end)
  check_keys("SORT", items)
  items = merge_sort(items, function(a, b)
    if a.key == null or b.key == null then return a.key ~= null and b.key == null end
    if descending then return a.key > b.key end
    return a.key < b.key
  end)
  local result = array {}
  for i = 1, #items do result[i] = items[i].item end
  return result
end }

--- REVERSE(list): the elements backwards; of a string, its characters.
M.REVERSE = { min = 1, max = 1, fn = function(run, list)
  if type(list) == "string" then
    local characters = {}
    for _, code in utf8.codes(list) do table.insert(characters, utf8.char(code)) end
    run:charge(#characters)
    for i = 1, #characters // 2 do
      characters[i], characters[#characters - i + 1] = characters[#characters - i + 1], characters[i]
    end
    return table.concat(characters)
  end
  local items, result = elements("REVERSE", list), array {}
  run:charge(#items)
  for i = #items, 1, -1 do result[#result + 1] = items[i] end
  return result
end }

-- A text by which equal values are equal.
local function identity(v)
  local of = value.kind(v)
  if of == "number" then return "n" .. value.text(v) end
  if of == "string" then return "s" .. v end
  return nil
end

--- UNIQUE(list[, e]): the first of equal elements, or of those with equal `e`.
M.UNIQUE = { min = 1, max = 2, element = 2, returns = "array", fn = function(run, list, f)
  local result, seen, others = array {}, {}, {}
  each(run, "UNIQUE", list, function(item, key, is_object)
    local by = item
    if f then by = f(item, key, is_object) end
    local id = identity(by)
    if id then
      if not seen[id] then result[#result + 1] = item end
      seen[id] = true
      return
    end
    for _, other in ipairs(others) do
      if value.equal(other, by) then return end
    end
    run:charge(#others)
    others[#others + 1] = by
    result[#result + 1] = item
  end)
  return result
end }

-- Numbers of a list ---------------------------------------------------------------------

--- SUM(list[, e]): nulls are passed over; 0 for nothing.
M.SUM = { min = 1, max = 2, element = 2, returns = "number", fn = function(run, list, f)
  local sum = 0
  for _, n in ipairs((numbers(run, "SUM", list, f))) do
    local following = sum + n
    if math.type(following) == "integer" and (n >= 0) ~= (following >= sum) then
      errors.raise("arithmetic", "the result of SUM does not fit a 64-bit integer")
    end
    sum = following
  end
  return finite(sum, "SUM")
end }

local function average(found)
  local sum = 0.0
  for _, n in ipairs(found) do sum = sum + n end
  return finite(sum / #found, "AVERAGE")
end

--- AVERAGE(list[, e]): nulls are passed over; null for nothing.
M.AVERAGE = { min = 1, max = 2, element = 2, fn = function(run, list, f)
  local found = numbers(run, "AVERAGE", list, f)
  return #found > 0 and average(found) or null
end }

--- MEDIAN(list[, e]): the middle one, or the mean of the two in the middle.
M.MEDIAN = { min = 1, max = 2, element = 2, fn = function(run, list, f)
  local found = numbers(run, "MEDIAN", list, f)
  if #found == 0 then return null end
  table.sort(found)
  local middle = #found // 2
  if #found % 2 == 1 then return found[middle + 1] end
  return finite((found[middle] + 0.0 + found[middle + 1]) / 2, "MEDIAN")
end }

--- VARIANCE(list[, e]): of the whole population.
M.VARIANCE = { min = 1, max = 2, element = 2, fn = function(run, list, f)
  local found = numbers(run, "VARIANCE", list, f)
  if #found == 0 then return null end
  local mean, sum = average(found), 0.0
  for _, n in ipairs(found) do sum = sum + (n - mean) * (n - mean) end
  return finite(sum / #found, "VARIANCE")
end }

-- The best of some keys by `better`, and its place; nulls are passed over.
local function best(name, keys, better)
  local at, of
  for i, key in ipairs(keys) do
    if key ~= null then
      local found = value.kind(key)
      if found ~= "number" and found ~= "string" then check.wrong(name, "numbers or strings", key) end
      if of and found ~= of then
        errors.raise("type", ("%s compares numbers or strings, and got %s and %s"):format(name, check.a(of), check.a(found)))
      end
      of = of or found
      if not at or better(key, keys[at]) then at = i end
    end
  end
  return at
end

local function extreme(name, better)
  return { min = 1, max = math.huge, element = 2, optional_element = true, fn = function(run, first, second, ...)
    if type(second) == "function" then
      local items, is_object = elements(name, first)
      run:charge(#items)
      local keys = {}
      for i = 1, #items do keys[i] = second(items[i], is_object and first[i] or i - 1, is_object) end
      local at = best(name, keys, better)
      return at and items[at] or null
    end
    local items = second == nil and type(first) == "table" and elements(name, first) or { first, second, ... }
    run:charge(#items)
    local at = best(name, items, better)
    return at and items[at] or null
  end }
end

--- MIN(a, b, …), MIN(list), MIN(list, key): the least; with a key, the element.
M.MIN = extreme("MIN", function(a, b) return a < b end)

--- MAX(a, b, …), MAX(list), MAX(list, key): the greatest; with a key, the element.
M.MAX = extreme("MAX", function(a, b) return a > b end)

-- Making lists --------------------------------------------------------------------------

--- RANGE(n), RANGE(a, b), RANGE(a, b, step): numbers up to, not including, the end.
M.RANGE = { min = 1, max = 3, returns = "array", fn = function(run, first, past, step)
  if past == nil then first, past = 0, first end
  for _, n in ipairs { first, past, step } do check.number("RANGE", n) end
  first, past, step = math.tointeger(first) or first, math.tointeger(past) or past, step == nil and 1 or math.tointeger(step) or step
  if step == 0 then errors.raise("arithmetic", "the step of RANGE is 0") end
  local count = math.max(0, math.ceil((past - first) / step))
  check.limit(count, check.MOST_ELEMENTS, "a RANGE")
  run:charge(count)
  local result = array {}
  for i = 1, count do result[i] = first + (i - 1) * step end
  return result
end }

--- KEYS(object): its keys, in order.
M.KEYS = { min = 1, max = 1, returns = "array", fn = function(run, o)
  check.object("KEYS", o)
  run:charge(#o)
  return array(table.move(o, 1, #o, 1, {}))
end }

--- VALUES(object): its values, in order.
M.VALUES = { min = 1, max = 1, returns = "array", fn = function(run, o)
  check.object("VALUES", o)
  run:charge(#o)
  return array(elements("VALUES", o))
end }

--- ENTRIES(object): `[key, value]` pairs, in order.
M.ENTRIES = { min = 1, max = 1, returns = "array", fn = function(run, o)
  check.object("ENTRIES", o)
  run:charge(#o)
  local result = array {}
  for i = 1, #o do result[i] = array { o[i], o[o[i]] } end
  return result
end }

local function flatten_into(run, result, list, depth)
  run:charge(#list)
  for i = 1, #list do
    if depth > 0 and value.kind(list[i]) == "array" then
      flatten_into(run, result, list[i], depth - 1)
    else
      result[#result + 1] = list[i]
    end
  end
  check.limit(#result, check.MOST_ELEMENTS, "an array")
  return result
end

--- FLATTEN(list[, depth]): arrays in it opened, one level deep or `depth` (100 at most).
M.FLATTEN = { min = 1, max = 2, returns = "array", fn = function(run, list, depth)
  check.array("FLATTEN", list)
  local levels = depth == nil and 1 or check.whole("FLATTEN", depth)
  return flatten_into(run, array {}, list, math.min(levels, 100))
end }

--- ZIP(a, b, …): arrays of the first elements, the second, … as long as the shortest.
M.ZIP = { min = 1, max = math.huge, returns = "array", fn = function(run, ...)
  local lists, least = { ... }, math.huge
  for _, list in ipairs(lists) do least = math.min(least, #check.array("ZIP", list)) end
  run:charge(least * #lists)
  local result = array {}
  for i = 1, least do
    local row = array {}
    for k, list in ipairs(lists) do row[k] = list[i] end
    result[i] = row
  end
  return result
end }

--- MERGE(a, b, …): one object of all their keys; later ones win.
M.MERGE = { min = 1, max = math.huge, returns = "object", fn = function(run, ...)
  local result = object {}
  for _, o in ipairs { ... } do
    check.object("MERGE", o)
    run:charge(#o)
    for i = 1, #o do
      local key = o[i]
      if result[key] == nil then result[#result + 1] = key end
      result[key] = o[key]
    end
  end
  return result
end }

--- APPEND(list, x, …): a new array with the values behind its elements.
M.APPEND = { min = 2, max = math.huge, returns = "array", fn = function(run, list, ...)
  check.array("APPEND", list)
  run:charge(#list)
  local result = table.move(list, 1, #list, 1, {})
  for _, item in ipairs { ... } do result[#result + 1] = item end
  return array(result)
end }

--- CONTAINS(list, x): whether an element equals x; an object has the key; a string the text.
M.CONTAINS = { min = 2, max = 2, returns = "boolean", fn = function(run, list, x)
  local of = value.kind(list)
  if of == "string" then return list:find(check.string("CONTAINS", x), 1, true) ~= nil end
  if of == "object" then return list[value.text(x)] ~= nil end
  local found = false
  each(run, "CONTAINS", list, function(item)
    found = value.equal(item, x)
    return found
  end)
  return found
end }

--- HASH(v): the SHA-256 of its JSON, in hexadecimal.
M.HASH = { min = 1, max = 1, returns = "string", fn = function(_, v)
  local text, problem = json.encode(v)
  if not text then errors.raise("type", "HASH cannot read " .. problem) end
  return core.digest.sha256(text)
end }

return M
