-- What the functions of the language ask of their arguments, the one notion of
-- truth, and the texts and comparisons of values, with faults as error objects:
-- whatever leaves a function of the language is one of those.

local built_in = require "orchlua.built_in"
local core = require "orchlua.core"
local cost = require "orchlua.functions.cost"
local errors = require "orchlua.error"

local value, json = core.value, core.json
local kind, null = value.kind, value.null
local type, tointeger = type, math.tointeger

local M = {}

--- An array that a function makes has at most this many elements (10 million).
M.MOST_ELEMENTS = 10000000
--- A string that a function makes has at most this many bytes (256 MiB).
M.MOST_BYTES = 256 * 1024 * 1024

--- "a number", "an array", "null": a kind with its article.
---@param of string?
---@return string
function M.a(of)
  if of == nil or of == "null" then return "null" end
  return (of:find "^[aeiou]" and "an " or "a ") .. of
end

--- Raises an error of type `type`: a function got the wrong kind.
---@param name string    the function
---@param takes string   "a number"
---@param got any        the value
function M.wrong(name, takes, got)
  errors.raise("type", ("%s takes %s, and got %s"):format(name, takes, M.a(kind(got))))
end

--- Null, false, 0 and "" are not truthy; everything else is.
---@return boolean
function M.truthy(v)
  return v ~= nil and v ~= null and v ~= false and v ~= 0 and v ~= ""
end

-- Kinds --------------------------------------------------------------------------

---@return number
function M.number(name, v)
  if type(v) ~= "number" then M.wrong(name, "a number", v) end
  return v
end

--- A whole number, also one written with a fraction of zero.
---@return integer
function M.whole(name, v)
  M.number(name, v)
  local whole = tointeger(v)
  if not whole then errors.raise("type", ("%s takes a whole number, and got %s"):format(name, value.number_text(v))) end
  return whole
end

---@return string
function M.string(name, v)
  if type(v) ~= "string" then M.wrong(name, "a string", v) end
  return v
end

---@return table
function M.array(name, v)
  if kind(v) ~= "array" then M.wrong(name, "an array", v) end
  return v
end

---@return table
function M.object(name, v)
  if kind(v) ~= "object" then M.wrong(name, "an object", v) end
  return v
end

--- The elements of an array, or the values of an object.
---@param takes? string   for the message: "an array or an object" by default
---@return table list     1-based; the array itself, or a list made here
---@return table? keys    the object's keys; nil for an array
function M.elements(name, v, takes)
  local of = kind(v)
  if of == "array" then return v, nil end
  if of ~= "object" then M.wrong(name, takes or "an array or an object", v) end
  local list = {}
  for i = 1, #v do list[i] = v[v[i]] end
  return list, v
end

-- Sizes and results ---------------------------------------------------------------

--- Raises an error of type `limit` for an array of more than MOST_ELEMENTS.
function M.elements_limit(name, count)
  if count > M.MOST_ELEMENTS then
    errors.raise("limit", ("%s would make an array of more than %d elements"):format(name, M.MOST_ELEMENTS))
  end
end

--- Raises an error of type `limit` for a string of more than MOST_BYTES.
function M.bytes_limit(name, size)
  if size > M.MOST_BYTES then errors.raise("limit", ("%s would make a string of more than %d bytes"):format(name, M.MOST_BYTES)) end
end

--- `n`, unless it is infinite or not a number.
---@return number
function M.finite(name, n)
  if n - n ~= 0 then errors.raise("arithmetic", ("the result of %s is not finite"):format(name)) end
  return n
end

--- Raises an error of type `arithmetic`: a whole result leaves 64 bits.
function M.overflow(name)
  errors.raise("arithmetic", ("the result of %s does not fit a 64-bit integer"):format(name))
end

-- Texts and equality -----------------------------------------------------------------

-- What it costs to write a value that has too many values to be written.
local TOO_LARGE_TURNS = 1 << 22

-- Raises what the core says of a value that it cannot write.
local function unwritable(name, problem)
  if problem:find "^larger" then errors.raise("limit", ("%s would make a text %s"):format(name, problem)) end
  if problem:find "^nested" then problem = "a value " .. problem end
  errors.raise("type", ("%s cannot write %s"):format(name, problem))
end

--- The JSON of a value.
---@param indent? integer|string
---@return string
function M.json(run, name, v, indent)
  local text, problem = json.encode(v, indent)
  if not text then
    if problem:find "^larger" then run:charge(TOO_LARGE_TURNS) end
    unwritable(name, problem)
  end
  cost.written(run, #text)
  return text
end

--- The text of a value, as `{{ }}` inserts it.
---@return string
function M.text(run, name, v)
  if type(v) ~= "table" then return value.text(v) end
  local ok, text = pcall(value.text, v, run)
  if ok then return text end
  local problem = type(text) == "string" and text:match "^(.*) has no text$"
  if not problem then error(text, 0) end
  unwritable(name, problem)
end

--- Whether two values are equal, deeply.
---@return boolean
function M.equal(run, name, a, b)
  if a == b then return true end
  if type(a) ~= "table" or type(b) ~= "table" then return false end
  local ok, same = pcall(value.equal, a, b, run)
  if ok then return same end
  if type(same) ~= "string" or same:find("memory", 1, true) then error(same, 0) end
  errors.raise("type", ("%s: %s"):format(name, same))
end

-- Bytes of a string that are enough to show its beginning; of JSON from which on a value is not written for that.
local SHOWN, LARGE = 320, 2048

--- A value as messages show it: strings in quotes, long ones cut; of a large one its kind.
---@return string
function M.shown(v)
  if v == nil then return "null" end
  if not kind(v) then return type(v) end
  if type(v) == "string" then v = value.utf8(v:sub(1, SHOWN)) end
  if json.longer(v, LARGE) then return "a large " .. kind(v) end
  local text = json.encode(v) or "a value inside itself"
  return #text > 80 and value.utf8(text:sub(1, 77)) .. "…" or text
end

--- Raises an error of type `type` for a field that the data of a statement or an event does not have.
---@param name string   the statement's keyword, or the event
---@param data table    an object
function M.fields(name, data)
  for _, field in ipairs(data) do
    local message, hint = built_in.unknown_field(name, field)
    if message then errors.raise("type", message, { hint = hint }) end
  end
end

return M
