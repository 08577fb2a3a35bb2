-- Functions of numbers. Integers stay integers; a result that is not finite, or a
-- whole one beyond 64 bits, is an error of type `arithmetic`.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local errors = require "orchlua.error"

local value = core.value
local null = value.null
local math_type, tointeger, floor = math.type, math.tointeger, math.floor

---@type table<string, orchlua.Function>
local M = {}

-- An integer where it fits one.
local function whole(n)
  return tointeger(n) or n
end

-- Rounding ---------------------------------------------------------------------------

-- To a whole number, halves up, as JavaScript's Math.round.
local function round(x)
  local down = floor(x)
  return x - down >= 0.5 and down + 1 or down
end

-- An integer to tens, hundreds, …; exactly.
local function round_integer(x, places)
  if places > 18 then return 0 end
  local unit = tointeger(10 ^ places)
  local above = x % unit
  local result = x - above
  if above >= unit - above then
    if result > math.maxinteger - unit then check.overflow("ROUND") end
    return result + unit
  end
  if result > x then check.overflow("ROUND") end
  return result
end

-- The significant digits of a positive double's shortest text, and how many of
-- them stand before the decimal point (fewer than 0: zeros follow it).
local function decimal(x)
  local before, after, exponent = value.number_text(x):match "^(%d+)%.?(%d*)e?([-+]?%d*)$"
  local digits, point = before .. after, #before + (tonumber(exponent) or 0)
  local zeros = #digits:match "^0*"
  return digits:sub(zeros + 1), point - zeros
end

-- Whether what is cut off behind `kept` digits rounds away from zero: halves go up.
local function goes_out(digits, kept, negative)
  if kept < 0 then return false end
  local rest = digits:sub(kept + 1)
  if negative then return rest:byte() >= 53 and rest:match "^50*$" == nil end
  return rest:byte() >= 53
end

-- A double to so many places behind (or before) the point, by its shortest text:
-- 1.005 is 1.01, although the nearest double lies below 1.005.
local function round_decimal(x, places)
  if x == 0 then return 0 end
  local digits, point = decimal(math.abs(x))
  local kept = point + places
  if kept >= #digits then return x end
  local head = kept > 0 and tointeger(digits:sub(1, kept)) or 0
  if goes_out(digits, kept, x < 0) then head = head + 1 end
  return tonumber(("%s%de%d"):format(x < 0 and "-" or "", head, -places)) + 0.0
end

--- ROUND(x[, digits]): a number with so many digits behind the point (none by
--- default; fewer than 0: tens, hundreds, …). Halves go up: -2.5 becomes -2.
M.ROUND = { min = 1, max = 2, returns = "number", fn = function(_, x, digits)
  check.number("ROUND", x)
  digits = (digits == nil or digits == null) and 0 or check.whole("ROUND", digits)
  digits = math.max(-400, math.min(digits, 400))
  if math_type(x) == "integer" then return digits >= 0 and x or round_integer(x, -digits) end
  if digits == 0 then return whole(round(x)) end
  return whole(check.finite("ROUND", round_decimal(x, digits)))
end }

--- FLOOR(x): the greatest whole number that is not greater.
M.FLOOR = { min = 1, max = 1, returns = "number", fn = function(_, x) return whole(floor(check.number("FLOOR", x))) end }

--- CEIL(x): the least whole number that is not less.
M.CEIL = { min = 1, max = 1, returns = "number", fn = function(_, x) return whole(math.ceil(check.number("CEIL", x))) end }

-- Roots and powers -----------------------------------------------------------------------

--- ABS(x): the number without its sign.
M.ABS = { min = 1, max = 1, returns = "number", fn = function(_, x)
  check.number("ABS", x)
  if x == math.mininteger and math_type(x) == "integer" then check.overflow("ABS") end
  return math.abs(x)
end }

--- SQRT(x): the square root, of 0 or more; whole where it is exact.
M.SQRT = { min = 1, max = 1, returns = "number", fn = function(_, x)
  if check.number("SQRT", x) < 0 then errors.raise("arithmetic", "SQRT of a negative number") end
  local root = math.sqrt(x)
  local exact = math_type(x) == "integer" and tointeger(root)
  return exact and exact <= 3037000499 and exact * exact == x and exact or root
end }

local function times(a, b)
  local product = a * b
  if a ~= 0 and (product // a ~= b or a == -1 and b == math.mininteger) then check.overflow("POW") end
  return product
end

-- By squaring; an error when it leaves the range of an integer.
local function integer_power(base, exponent)
  local result = 1
  while true do
    if exponent & 1 == 1 then result = times(result, base) end
    exponent = exponent >> 1
    if exponent == 0 then return result end
    base = times(base, base)
  end
end

--- POW(x, y): x to the power of y; whole when both are whole and y is not negative.
M.POW = { min = 2, max = 2, returns = "number", fn = function(_, x, y)
  check.number("POW", x)
  check.number("POW", y)
  if math_type(x) == "integer" and math_type(y) == "integer" and y >= 0 then return integer_power(x, y) end
  return check.finite("POW", x ^ y)
end }

return M
