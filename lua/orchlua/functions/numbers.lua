-- Functions of numbers, random ones among them: these draw from the run's own
-- generator, so that a run is the same again when it is resumed or replayed.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local errors = require "orchlua.error"

local value = core.value

local M = {}

local function finite(n, name)
  if n - n ~= 0 then errors.raise("arithmetic", ("the result of %s is not finite"):format(name)) end
  return n
end

-- An integer where it fits one.
local function whole(n)
  return math.tointeger(n) or n
end

-- Rounds half up, as JavaScript does.
local function round(x)
  local down = math.floor(x)
  return x - down >= 0.5 and down + 1 or down
end

-- Rounds by the decimal text, so that 1.005 to two digits is 1.01.
local function round_decimal(x, digits)
  local text = value.number_text(x)
  if text:find "e" then return x end
  local sign, before, after = text:match "^(%-?)(%d+)%.?(%d*)$"
  if #after <= digits then return x end
  local kept = before .. after:sub(1, digits)
  local up = after:byte(digits + 1) >= 53
  if #kept > 17 then return x end
  local n = math.tointeger(tonumber(kept)) + (up and 1 or 0)
  local padded = ("%0" .. digits + 1 .. "d"):format(n)
  return tonumber(sign .. padded:sub(1, -digits - 1) .. "." .. padded:sub(-digits))
end

--- ROUND(x[, digits]): half up to a whole number; by decimals, half away from zero.
M.ROUND = { min = 1, max = 2, returns = "number", fn = function(_, x, digits)
  check.number("ROUND", x)
  if math.type(x) == "integer" and (digits == nil or digits == value.null) then return x end
  if digits == nil or digits == value.null then return whole(round(x)) end
  digits = check.whole("ROUND", digits)
  if digits == 0 then return whole(round(x)) end
  if digits > 0 then return round_decimal(x, math.min(digits, 15)) end
  local unit = 10.0 ^ -digits
  return whole(finite(round(x / unit) * unit, "ROUND"))
end }

--- FLOOR(x), CEIL(x): whole numbers.
M.FLOOR = { min = 1, max = 1, returns = "number", fn = function(_, x) return whole(math.floor(check.number("FLOOR", x))) end }
M.CEIL = { min = 1, max = 1, returns = "number", fn = function(_, x) return whole(math.ceil(check.number("CEIL", x))) end }

--- ABS(x).
M.ABS = { min = 1, max = 1, returns = "number", fn = function(_, x)
  check.number("ABS", x)
  if x == math.mininteger and math.type(x) == "integer" then errors.raise("arithmetic", "the result of ABS does not fit a 64-bit integer") end
  return math.abs(x)
end }

--- SQRT(x), of 0 or more.
M.SQRT = { min = 1, max = 1, returns = "number", fn = function(_, x)
  if check.number("SQRT", x) < 0 then errors.raise("arithmetic", "the square root of a negative number") end
  return math.sqrt(x)
end }

-- By squaring; nil when it leaves the range of an integer.
local function integer_power(base, exponent)
  local result = 1
  while exponent > 0 do
    if exponent & 1 == 1 then
      if base ~= 0 and math.abs(result) > math.maxinteger // math.abs(base) then return nil end
      result = result * base
    end
    exponent = exponent >> 1
    if exponent > 0 then
      if math.abs(base) > 3037000499 then return nil end
      base = base * base
    end
  end
  return result
end

--- POW(x, y): a whole number when both are and it fits.
M.POW = { min = 2, max = 2, returns = "number", fn = function(_, x, y)
  check.number("POW", x)
  check.number("POW", y)
  if math.type(x) == "integer" and math.type(y) == "integer" and y >= 0 and x ~= math.mininteger then
    local exact = integer_power(x, y)
    if exact then return exact end
  end
  return finite(x ^ y, "POW")
end }

-- Random ------------------------------------------------------------------------

local function random_whole(run, first, last)
  local width = last - first + 1
  if width <= 0 then errors.raise("arithmetic", "RANDOM over more numbers than there are") end
  return first + math.min(math.floor(run:random() * width), width - 1)
end

--- RANDOM(): a number in [0, 1). RANDOM(a, b): a whole number in [a, b] when both
--- are whole, else a number between.
M.RANDOM = { min = 0, max = 2, returns = "number", fn = function(run, a, b)
  if a == nil then return run:random() end
  if b == nil then errors.raise("type", "RANDOM takes no arguments, or the least and the greatest number") end
  check.number("RANDOM", a)
  check.number("RANDOM", b)
  if a > b then errors.raise("arithmetic", ("RANDOM from %s to %s: the first is the greater"):format(value.text(a), value.text(b))) end
  local first, last = math.tointeger(a), math.tointeger(b)
  if first and last then return random_whole(run, first, last) end
  return finite(a + run:random() * (b - a), "RANDOM")
end }

--- RANDOM_CHOICE(list): one of its elements; null when it is empty.
M.RANDOM_CHOICE = { min = 1, max = 1, fn = function(run, list)
  local items = check.elements("RANDOM_CHOICE", list)
  if #items == 0 then return value.null end
  return items[random_whole(run, 1, #items)]
end }

--- SHUFFLE(list): a copy in random order.
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

--- GAUSSIAN([mean, deviation]): a normally distributed number; 0 and 1 by default.
M.GAUSSIAN = { min = 0, max = 2, returns = "number", fn = function(run, mean, deviation)
  mean, deviation = mean or 0, deviation or 1
  check.number("GAUSSIAN", mean)
  check.number("GAUSSIAN", deviation)
  local u = 1 - run:random()
  return finite(mean + deviation * math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * run:random()), "GAUSSIAN")
end }

--- UUID(): a random one, version 4 (RFC 9562).
M.UUID = { min = 0, max = 0, returns = "string", fn = function(run)
  local function bits(count) return math.floor(run:random() * (1 << count)) end
  return ("%08x-%04x-4%03x-%x%03x-%06x%06x"):format(bits(32), bits(16), bits(12), 8 + bits(2), bits(12), bits(24), bits(24))
end }

return M
