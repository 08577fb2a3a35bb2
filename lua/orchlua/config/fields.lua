-- What a single field of a configuration may hold. Each checker takes a value
-- and returns its normal form; or nil, what was expected, and, when only one
-- element of the value is wrong, that element's key.

local M = {}

---@alias orchlua.config.Checker fun(value: any): any, string?, any

local function is_finite(value)
  return type(value) == "number" and value == value and math.abs(value) ~= math.huge
end

--- A time-out.
function M.seconds(value)
  if is_finite(value) and value > 0 then return value end
  return nil, "a number of seconds above 0"
end

--- How long something is kept.
function M.days(value)
  if is_finite(value) and value > 0 then return value end
  return nil, "a number of days above 0"
end

--- A delay, which may be none.
function M.delay(value)
  if is_finite(value) and value >= 0 then return value end
  return nil, "a number of seconds, 0 or above"
end

--- A whole number, `least` or above.
---@param least integer
---@return orchlua.config.Checker
function M.whole(least)
  return function(value)
    local integer = type(value) == "number" and math.tointeger(value)
    if integer and integer >= least then return integer end
    return nil, ("a whole number, %d or above"):format(least)
  end
end

function M.func(value)
  if type(value) == "function" then return value end
  return nil, "a function"
end

function M.boolean(value)
  if type(value) == "boolean" then return value end
  return nil, "true or false"
end

-- What goes to the system as a C string.
local function plain_text(value)
  if type(value) == "string" and not value:find("\0", 1, true) then return value end
  return nil, "a text without zero bytes"
end

--- A text that names something.
function M.name(value)
  if value ~= "" and plain_text(value) then return value end
  return nil, "a text that is not empty"
end

--- One of the given texts.
---@param ... string
---@return orchlua.config.Checker
function M.one_of(...)
  local choices, expected = {}, {}
  for index, choice in ipairs { ... } do
    choices[choice] = true
    expected[index] = ('"%s"'):format(choice)
  end
  return function(value)
    if type(value) == "string" and choices[value] then return value end
    return nil, table.concat(expected, " or ")
  end
end

--- A list `1..n` whose items pass `item`.
---@param item orchlua.config.Checker
---@param expected string
---@return orchlua.config.Checker
function M.list(item, expected)
  return function(value)
    if type(value) ~= "table" then return nil, expected end
    local list = {}
    for index, element in ipairs(value) do
      local normal, wanted = item(element)
      if normal == nil then return nil, wanted, index end
      list[index] = normal
    end
    for key in pairs(value) do
      if list[key] == nil then return nil, expected end
    end
    return list
  end
end

local arguments = M.list(plain_text, 'a list of texts such as { "python3", "clean.py" }')

--- A program and its arguments.
function M.command_line(value)
  local list, expected, key = arguments(value)
  if not list then return nil, expected, key end
  if not M.name(list[1]) then return nil, "a program, then its arguments" end
  return list
end

--- An address that HTTP can reach.
function M.url(value)
  if type(value) == "string" and value:find "^[Hh][Tt][Tt][Pp][Ss]?://[^%s%c/?#][^%s%c]*$" then return value end
  return nil, 'an address such as "https://example.org/agent"'
end

-- A table whose keys are names and whose values are texts. `wrong_key(key)` and
-- `wrong_value(value)` say what was expected, or nothing.
local function texts(wrong_key, wrong_value)
  return function(value)
    if type(value) ~= "table" then return nil, "a table of texts" end
    local copy = {}
    for key, item in pairs(value) do
      local expected = wrong_key(key) or wrong_value(item)
      if expected then return nil, expected, key end
      copy[key] = item
    end
    return copy
  end
end

local function wrong_text(value)
  local _, expected = plain_text(value)
  return expected
end

--- Variables for a program's environment.
M.environment = texts(function(key)
  if type(key) ~= "string" or key == "" or key:find "[=%z]" then return "the name of an environment variable" end
end, wrong_text)

--- The headers of a request.
M.headers = texts(function(key)
  if type(key) ~= "string" or not key:find "^[%w!#$%%&'*+.^_`|~-]+$" then return "the name of a header" end
end, function(value)
  if type(value) ~= "string" or value:find "[\r\n%z]" then return "a text on one line" end
end)

--- `checker`, for a table in which the runtime sets `reserved` itself.
---@param checker orchlua.config.Checker
---@param reserved string  compared without case
---@return orchlua.config.Checker
function M.except(checker, reserved)
  return function(value)
    local normal, expected, key = checker(value)
    if not normal then return nil, expected, key end
    for name in pairs(normal) do
      if name:lower() == reserved:lower() then return nil, "another name, this one is set for each call", name end
    end
    return normal
  end
end

return M
