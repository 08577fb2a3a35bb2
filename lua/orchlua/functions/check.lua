-- What the functions of the language ask of their arguments, and the one notion
-- of truth.

local core = require "orchlua.core"
local errors = require "orchlua.error"

local value = core.value
local kind, null = value.kind, value.null

local M = {}

--- Arrays and strings that functions make are at most this long.
M.MOST_ELEMENTS = 10000000
M.MOST_BYTES = 256 * 1024 * 1024

--- "a number", "an array", "null".
function M.a(of)
  if of == nil or of == "null" then return "null" end
  return (of:find "^[aeiou]" and "an " or "a ") .. of
end

--- Raises an error of type `type`: a function got the wrong kind.
function M.wrong(name, takes, got)
  errors.raise("type", ("%s takes %s, and got %s"):format(name, takes, M.a(kind(got))))
end

--- Null, false, 0 and "" are not truthy; everything else is.
function M.truthy(v)
  return v ~= nil and v ~= null and v ~= false and v ~= 0 and v ~= ""
end

function M.number(name, v)
  if type(v) ~= "number" then M.wrong(name, "a number", v) end
  return v
end

--- A whole number, also one written with a fraction of zero.
function M.whole(name, v)
  local whole = type(v) == "number" and math.tointeger(v)
  if not whole then M.wrong(name, "a whole number", v) end
  return whole
end

function M.string(name, v)
  if type(v) ~= "string" then M.wrong(name, "a string", v) end
  return v
end

function M.array(name, v)
  if kind(v) ~= "array" then M.wrong(name, "an array", v) end
  return v
end

function M.object(name, v)
  if kind(v) ~= "object" then M.wrong(name, "an object", v) end
  return v
end

--- Raises an error of type `limit` when something would grow too large.
function M.limit(count, most, what)
  if count > most then errors.raise("limit", ("%s of more than %d"):format(what, most)) end
end

--- The elements of an array, or the values of an object; and whether it is an object.
---@return table list   plain, 1-based; not to be changed
---@return boolean is_object
function M.elements(name, v)
  local of = kind(v)
  if of == "array" then return v, false end
  if of ~= "object" then M.wrong(name, "an array or an object", v) end
  local list = {}
  for i = 1, #v do list[i] = v[v[i]] end
  return list, true
end

return M
