-- Functions that make one number, or find one element, of a collection. Nulls are
-- passed over; of nothing, SUM is 0 and the others are null.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local cost = require "orchlua.functions.cost"
local each = require "orchlua.functions.each"
local errors = require "orchlua.error"

local value = core.value
local kind, null = value.kind, value.null
local math_type = math.type

---@type table<string, orchlua.Function>
local M = {}

-- The numbers among what `f` gives for the elements, or among the elements.
local function numbers(run, name, list, f)
  local given, found, count = each.results(run, name, list, f), {}, 0
  for i = 1, #given do
    local n = given[i]
    if n ~= null then
      if type(n) ~= "number" then check.wrong(name, "numbers", n) end
      count = count + 1
      found[count] = n
    end
  end
  return found, count
end

-- The sum, and whether it overflowed as a whole number and went on as a double.
local function sum_of(found, count)
  local sum, overflowed = 0, false
  for i = 1, count do
    local n = found[i]
    local following = sum + n
    if math_type(following) == "integer" and (n >= 0) ~= (following >= sum) then
      overflowed, following = true, sum + 0.0 + n
    end
    sum = following
  end
  return sum, overflowed
end

-- `sum / count`, whole where that is exact.
local function divided(sum, count)
  if math_type(sum) == "integer" and sum % count == 0 then return sum // count end
  return sum / count
end

local function mean_of(found, count)
  local sum = sum_of(found, count)
  if sum - sum == 0 then return divided(sum, count) end
  local mean = 0.0
  for i = 1, count do mean = mean + found[i] / count end
  return mean
end

--- SUM(list[, e]): a number; 0 for nothing.
M.SUM = { min = 1, max = 2, element = 2, returns = "number", fn = function(run, list, f)
  local sum, overflowed = sum_of(numbers(run, "SUM", list, f))
  if overflowed then check.overflow("SUM") end
  return check.finite("SUM", sum)
end }

--- AVERAGE(list[, e]): the arithmetic mean, or null.
M.AVERAGE = { min = 1, max = 2, element = 2, fn = function(run, list, f)
  local found, count = numbers(run, "AVERAGE", list, f)
  if count == 0 then return null end
  return check.finite("AVERAGE", mean_of(found, count))
end }

--- MEDIAN(list[, e]): the middle one, or the mean of the two in the middle; or null.
M.MEDIAN = { min = 1, max = 2, element = 2, fn = function(run, list, f)
  local found, count = numbers(run, "MEDIAN", list, f)
  if count == 0 then return null end
  table.sort(found)
  local middle = count // 2
  if count % 2 == 1 then return found[middle + 1] end
  return mean_of({ found[middle], found[middle + 1] }, 2)
end }

--- VARIANCE(list[, e]): of the whole population (divided by n, not n - 1); or null.
M.VARIANCE = { min = 1, max = 2, element = 2, fn = function(run, list, f)
  local found, count = numbers(run, "VARIANCE", list, f)
  if count == 0 then return null end
  local mean, sum = mean_of(found, count) + 0.0, 0.0
  for i = 1, count do
    local off = found[i] - mean
    sum = sum + off * off
  end
  return check.finite("VARIANCE", sum / count)
end }

-- Extremes ----------------------------------------------------------------------------

-- The position of the best key by `better(a, b)`, the first of equal ones; nil for none.
local function best(run, name, keys, better)
  local at, common
  for i = 1, #keys do
    local key = keys[i]
    local of = kind(key)
    if of ~= "null" then
      if of == "string" then cost.copied(run, #key) elseif of ~= "number" then check.wrong(name, "numbers or strings", key) end
      common = common or of
      if of ~= common then
        errors.raise("type", ("%s compares numbers or strings, and got %s and %s"):format(name, check.a(common), check.a(of)))
      end
      if not at or better(key, keys[at]) then at = i end
    end
  end
  return at
end

local function element_or_null(items, at)
  local item = at and items[at]
  if item == nil then return null end
  return item
end

-- The values that MIN(a, b, …) or MIN(list) compares.
local function compared(run, name, first, second, ...)
  if second ~= nil then return { first, second, ... } end
  if type(first) == "number" or type(first) == "string" then return { first } end
  local items = check.elements(name, first, "numbers, an array or an object")
  run:charge(#items)
  return items
end

local function extreme(name, better)
  return { min = 1, max = math.huge, element = 2, optional_element = true, fn = function(run, first, second, ...)
    local items, keys
    if type(second) == "function" then
      items = check.elements(name, first)
      items = table.move(items, 1, #items, 1, {})
      keys = each.results(run, name, first, second)
    else
      items = compared(run, name, first, second, ...)
      keys = items
    end
    local at = best(run, name, keys, better)
    if not at then return null end
    return element_or_null(items, at)
  end }
end

--- MIN(a, b, …), MIN(list): the least; MIN(list, key): the element whose key is the least; or null.
M.MIN = extreme("MIN", function(a, b) return a < b end)

--- MAX(a, b, …), MAX(list): the greatest; MAX(list, key): the element whose key is the greatest; or null.
M.MAX = extreme("MAX", function(a, b) return a > b end)

return M
