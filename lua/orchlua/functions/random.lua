-- Functions of chance. All draw from the run's own generator, a number in [0, 1) at
-- a time, and keep nothing between calls, so that a run is the same again when it
-- is resumed or replayed.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local errors = require "orchlua.error"

local value = core.value
local floor, tointeger = math.floor, math.tointeger

---@type table<string, orchlua.Function>
local M = {}

local function random_whole(run, first, last)
  local width = last - first + 1
  if width <= 0 then errors.raise("arithmetic", "RANDOM over more than 2^63 numbers") end
  return first + math.min(floor(run:random() * width), width - 1)
end

--- RANDOM(): a number in [0, 1). RANDOM(a, b): a whole number in [a, b] when both
--- are whole, else a number between.
M.RANDOM = { min = 0, max = 2, returns = "number", fn = function(run, a, b)
  if a == nil then return run:random() end
  if b == nil then errors.raise("type", "RANDOM takes no arguments, or the least and the greatest number") end
  check.number("RANDOM", a)
  check.number("RANDOM", b)
  if a > b then errors.raise("arithmetic", ("RANDOM from %s to %s: the first is the greater"):format(value.text(a), value.text(b))) end
  local first, last = tointeger(a), tointeger(b)
  if first and last then return random_whole(run, first, last) end
  local share = run:random()
  return math.max(a, math.min(b, a * (1 - share) + b * share))
end }

--- RANDOM_CHOICE(list): one of its elements; null when it is empty.
M.RANDOM_CHOICE = { min = 1, max = 1, fn = function(run, list)
  local items, keys = check.elements("RANDOM_CHOICE", list)
  if keys then run:charge(#items) end
  if #items == 0 then return value.null end
  return items[random_whole(run, 1, #items)]
end }

--- SHUFFLE(list): a new array of its elements in random order (Fisher and Yates).
M.SHUFFLE = { min = 1, max = 1, returns = "array", fn = function(run, list)
  local items = check.elements("SHUFFLE", list)
  run:charge(#items)
  local result = table.move(items, 1, #items, 1, {})
  for i = #result, 2, -1 do
    local k = random_whole(run, 1, i)
    result[i], result[k] = result[k], result[i]
  end
  return value.array(result)
end }

--- GAUSSIAN([mean[, deviation]]): a normally distributed number; 0 and 1 by default
--- (Box and Muller; of its two results one is used, so that nothing is kept).
M.GAUSSIAN = { min = 0, max = 2, returns = "number", fn = function(run, mean, deviation)
  mean, deviation = mean or 0, deviation or 1
  check.number("GAUSSIAN", mean)
  if check.number("GAUSSIAN", deviation) < 0 then errors.raise("arithmetic", "GAUSSIAN takes a deviation of 0 or more") end
  local radius = math.sqrt(-2 * math.log(1 - run:random()))
  return check.finite("GAUSSIAN", mean + deviation * radius * math.cos(2 * math.pi * run:random()))
end }

--- UUID(): a random one, version 4 (RFC 9562).
M.UUID = { min = 0, max = 0, returns = "string", fn = function(run)
  local function bits(count) return floor(run:random() * (1 << count)) end
  return ("%08x-%04x-4%03x-%x%03x-%06x%06x"):format(bits(32), bits(16), bits(12), 8 + bits(2), bits(12), bits(24), bits(24))
end }

return M
