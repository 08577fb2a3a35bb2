-- Functions that make, take apart and join arrays and objects without looking
-- into the elements. What they give is new; what they are given stays as it is.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local each = require "orchlua.functions.each"
local errors = require "orchlua.error"
local identity = require "orchlua.functions.identity"
local range = require "orchlua.functions.range"
local strings = require "orchlua.functions.strings"

local value = core.value
local kind, null, array, object = value.kind, value.null, value.array, value.object
local elements = check.elements
local tointeger = math.tointeger

---@type table<string, orchlua.Function>
local M = {}

-- Numbers in a row ---------------------------------------------------------------------

local function range_bound(n)
  check.number("RANGE", n)
  return tointeger(n) or n
end

--- RANGE(n), RANGE(a, b), RANGE(a, b, step): numbers up to, not including, the end.
M.RANGE = { min = 1, max = 3, returns = "array", fn = function(run, first, past, step)
  if past == nil then first, past = 0, first end
  first, past, step = range_bound(first), range_bound(past), range_bound(step == nil and 1 or step)
  if step == 0 then errors.raise("arithmetic", "the step of RANGE is 0") end
  local count = range.count(first, past, step)
  check.elements_limit("RANGE", count)
  run:charge(count)
  local list = {}
  for i = 1, count do list[i] = first + (i - 1) * step end
  return array(list)
end }

-- Keys and values --------------------------------------------------------------------------

-- The keys as values: an object's strings, an array's positions.
local function keys_of(items, keys)
  local list = {}
  for i = 1, #items do list[i] = keys and keys[i] or i - 1 end
  return list
end

--- KEYS(object): an array of its keys, in order; of an array, its positions from 0.
M.KEYS = { min = 1, max = 1, returns = "array", fn = function(run, list)
  local items, keys = elements("KEYS", list, "an object or an array")
  run:charge(#items)
  return array(keys_of(items, keys))
end }

--- VALUES(object): an array of its values, in order; of an array, a copy.
M.VALUES = { min = 1, max = 1, returns = "array", fn = function(run, list)
  local items = elements("VALUES", list, "an object or an array")
  run:charge(#items)
  return array(table.move(items, 1, #items, 1, {}))
end }

--- ENTRIES(object): an array of `[key, value]`, in order; of an array, `[position, value]`.
M.ENTRIES = { min = 1, max = 1, returns = "array", fn = function(run, list)
  local items, keys = elements("ENTRIES", list, "an object or an array")
  run:charge(#items)
  local result = keys_of(items, keys)
  for i = 1, #items do result[i] = array { result[i], items[i] } end
  return array(result)
end }

--- MERGE(a, b, …): one object of all their keys; later ones win, in the place of the first.
M.MERGE = { min = 1, max = math.huge, returns = "object", fn = function(run, ...)
  local given, total = { ... }, 0
  for i = 1, #given do total = total + #check.object("MERGE", given[i]) end
  run:charge(total)
  local result, count = object {}, 0
  for g = 1, #given do
    local o = given[g]
    for i = 1, #o do
      local key = o[i]
      if result[key] == nil then
        count = count + 1
        result[count] = key
      end
      result[key] = o[key]
    end
  end
  return result
end }

-- Arrays -------------------------------------------------------------------------------------

--- REVERSE(list): an array of the elements backwards; of a string, its characters backwards.
M.REVERSE = { min = 1, max = 1, fn = function(run, list)
  if type(list) == "string" then return strings.reverse(run, list) end
  local items, result = elements("REVERSE", list, "an array, an object or a string"), {}
  local count = #items
  run:charge(count)
  for i = 1, count do result[i] = items[count - i + 1] end
  return array(result)
end }

-- Without recursion, so that no nesting is too deep; `open` holds the lists that
-- are being gone through, `at` how far.
local function flattened(run, list, depth)
  local result, count = {}, 0
  local open, at, level = { list }, { 0 }, 1
  while level > 0 do
    local inside, i = open[level], at[level] + 1
    local item = inside[i]
    at[level] = i
    if item == nil then
      level = level - 1
    elseif level <= depth and kind(item) == "array" then
      run:charge(#item)
      level = level + 1
      open[level], at[level] = item, 0
    else
      count = count + 1
      result[count] = item
    end
  end
  check.elements_limit("FLATTEN", count)
  return result
end

--- FLATTEN(list[, depth]): an array in which the arrays in the list are opened, one
--- level deep, or `depth` levels (1000 at most).
M.FLATTEN = { min = 1, max = 2, returns = "array", fn = function(run, list, depth)
  local items = elements("FLATTEN", list)
  local levels = depth == nil and 1 or math.min(check.whole("FLATTEN", depth), 1000)
  run:charge(#items)
  return array(flattened(run, items, levels))
end }

--- ZIP(a, b, …): arrays of the first elements, the second, … as many as the shortest has.
M.ZIP = { min = 1, max = math.huge, returns = "array", fn = function(run, ...)
  local lists, least = { ... }, math.huge
  for i = 1, #lists do
    lists[i] = elements("ZIP", lists[i])
    least = math.min(least, #lists[i])
  end
  run:charge(least * #lists)
  local result = {}
  for i = 1, least do
    local row = {}
    for k = 1, #lists do row[k] = lists[k][i] end
    result[i] = array(row)
  end
  return array(result)
end }

--- APPEND(list, x, …): a new array with the values behind the list's elements.
M.APPEND = { min = 2, max = math.huge, returns = "array", fn = function(run, list, ...)
  check.array("APPEND", list)
  local count, added = #list, { ... }
  check.elements_limit("APPEND", count + #added)
  run:charge(count)
  local result = table.move(list, 1, count, 1, {})
  return array(table.move(added, 1, #added, count + 1, result))
end }

--- SLICE(list or string, first[, past]): the part from `first` to before `past`;
--- negative positions count from the end, and beyond an end is the end.
M.SLICE = { min = 2, max = 3, fn = function(run, list, first, past) return strings.slice(run, "SLICE", list, first, past) end }

--- LENGTH(v): elements of an array, keys of an object, code points of a string.
M.LENGTH = { min = 1, max = 1, returns = "number", fn = function(run, v)
  if type(v) == "string" then return strings.length(run, v) end
  local of = kind(v)
  if of ~= "array" and of ~= "object" then check.wrong("LENGTH", "an array, an object or a string", v) end
  return #v
end }

-- Equal elements ---------------------------------------------------------------------------------

local contains = {}

function contains.array(run, list, x) return identity.position(run, "CONTAINS", list, x) ~= nil end

function contains.string(run, s, x) return strings.position(run, s, check.string("CONTAINS in a string", x)) ~= nil end

function contains.object(_, o, x)
  if type(x) == "table" or x == null then check.wrong("CONTAINS in an object", "a key", x) end
  return o[value.text(x)] ~= nil
end

--- CONTAINS(list, x): whether an element equals x; whether an object has the key; a string, the text.
M.CONTAINS = { min = 2, max = 2, returns = "boolean", fn = function(run, list, x)
  local test = contains[kind(list)]
  if not test then check.wrong("CONTAINS", "an array, an object or a string", list) end
  return test(run, list, x)
end }

--- UNIQUE(list[, e]): an array of the first of equal elements, or of those with equal `e`.
M.UNIQUE = { min = 1, max = 2, element = 2, returns = "array", fn = function(run, list, f)
  local items = elements("UNIQUE", list)
  items = table.move(items, 1, #items, 1, {})
  local by = identity.of_each(run, "UNIQUE", each.results(run, "UNIQUE", list, f))
  local result, seen, count = {}, {}, 0
  for i = 1, #by do
    if not seen[by[i]] then
      seen[by[i]] = true
      count = count + 1
      result[count] = items[i]
    end
  end
  return array(result)
end }

return M
