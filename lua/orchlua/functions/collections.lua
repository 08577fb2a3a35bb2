-- Functions that go over a collection with an element function: counting, testing,
-- choosing, changing, ordering. They make new collections of the same elements;
-- `each` says how an element function is called.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local cost = require "orchlua.functions.cost"
local each_of = require "orchlua.functions.each"
local errors = require "orchlua.error"

local value = core.value
local kind, null, array, object = value.kind, value.null, value.array, value.object
local truthy = check.truthy
local each, results = each_of.each, each_of.results

---@type table<string, orchlua.Function>
local M = {}

-- Counting and testing ---------------------------------------------------------------

--- COUNT(list): how many elements. COUNT(list, e): how many of them make `e` true.
M.COUNT = { min = 1, max = 2, element = 2, where = true, returns = "number", fn = function(run, list, f)
  if not f then
    local of = kind(list)
    if of ~= "array" and of ~= "object" then check.wrong("COUNT", "an array or an object", list) end
    return #list
  end
  local count = 0
  each(run, "COUNT", list, function(item, key, is_object)
    if truthy(f(item, key, is_object)) then count = count + 1 end
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

--- ALL(list[, e]): whether all elements are true, or make `e` true; true for none.
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

-- Choosing and changing -----------------------------------------------------------------

local function filter_object(run, name, list, f)
  local result, kept = object {}, 0
  each(run, name, list, function(item, key)
    if truthy(f(item, key, true)) then
      kept = kept + 1
      result[kept], result[key] = key, item
    end
  end)
  return result
end

local function filter(run, name, list, f)
  if kind(list) == "object" then return filter_object(run, name, list, f) end
  local result, kept = array {}, 0
  each(run, name, list, function(item, key)
    if truthy(f(item, key, false)) then
      kept = kept + 1
      result[kept] = item
    end
  end)
  return result
end

--- FILTER(list, e): the elements that make `e` true; of an object, an object.
M.FILTER = { min = 2, max = 2, element = 2, where = true, fn = function(run, list, f) return filter(run, "FILTER", list, f) end }

--- MAP(list, e): an array of what `e` gives for each element.
M.MAP = { min = 2, max = 2, element = 2, returns = "array", fn = function(run, list, f) return array(results(run, "MAP", list, f)) end }

--- EXTRACT(list, e): a filter when `e` is a condition, else a map.
M.EXTRACT = { min = 2, max = 2, element = 2, where = true, fn = function(run, list, f, is_condition)
  if is_condition then return filter(run, "EXTRACT", list, f) end
  return array(results(run, "EXTRACT", list, f))
end }

--- REDUCE(list, (sum, x) => e[, first]): the elements folded into one value. Without
--- `first` the first element is it; null for an empty list.
M.REDUCE = { min = 2, max = 3, element = 2, reduce = true, fn = function(run, list, f, first)
  local sum = first
  each(run, "REDUCE", list, function(item)
    if sum == nil then sum = item else sum = f(sum, item) end
  end)
  if sum == nil then return null end
  return sum
end }

--- GROUP_BY(list, e): an object from the text of `e` to an array of the elements that give it.
M.GROUP_BY = { min = 2, max = 2, element = 2, returns = "object", fn = function(run, list, f)
  local groups = object {}
  each(run, "GROUP_BY", list, function(item, key, is_object)
    local name = check.text(run, "GROUP_BY", f(item, key, is_object))
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

-- Ordering ---------------------------------------------------------------------------------

-- Merges two sorted runs of the positions in `from` into `to`, by their keys; stable.
local function merge(keys, from, to, first, middle, last)
  local i, j = first, middle + 1
  for k = first, last do
    local a, b = from[i], from[j]
    if j > last or i <= middle and keys[b] >= keys[a] then
      to[k], i = a, i + 1
    else
      to[k], j = b, j + 1
    end
  end
end

-- Sorts positions by their keys, all of which compare; `table.sort` is not stable.
local function merge_sort(keys, from)
  local to, width, count = {}, 1, #from
  while width < count do
    for first = 1, count, 2 * width do
      local middle = first + width - 1
      merge(keys, from, to, first, middle < count and middle or count, math.min(middle + width, count))
    end
    from, to, width = to, from, width * 2
  end
  return from
end

local function reversed(list)
  local result, count = {}, #list
  for i = 1, count do result[i] = list[count - i + 1] end
  return result
end

-- How often a key is compared, about, until a list is sorted.
local COMPARISONS = 8

-- The positions of the keys that are not null, and of those that are.
local function positions(run, name, keys)
  local known, unknown, common = {}, {}, nil
  for i = 1, #keys do
    local of = kind(keys[i])
    if of == "null" then
      unknown[#unknown + 1] = i
    else
      if of == "string" then
        cost.copied(run, COMPARISONS * #keys[i])
      elseif of ~= "number" then
        check.wrong(name, "numbers or strings as keys", keys[i])
      end
      common = common or of
      if of ~= common then
        errors.raise("type", ("%s orders numbers or strings, and its keys are %s and %s"):format(name, check.a(common), check.a(of)))
      end
      known[#known + 1] = i
    end
  end
  return known, unknown
end

--- SORT(list[, key [ASC|DESC]]): a sorted array; stable, null keys last either way.
M.SORT = { min = 1, max = 2, element = 2, sortable = true, returns = "array", fn = function(run, list, f, descending)
  local items = check.elements("SORT", list)
  items = table.move(items, 1, #items, 1, {})
  local keys = results(run, "SORT", list, f)
  local order, unknown = positions(run, "SORT", keys)
  -- Backwards before and after, equal keys keep their order in a descending sort too.
  if descending then order = reversed(order) end
  order = merge_sort(keys, order)
  if descending then order = reversed(order) end
  local result = {}
  for i = 1, #order do result[i] = items[order[i]] end
  for i = 1, #unknown do result[#result + 1] = items[unknown[i]] end
  return array(result)
end }

return M
