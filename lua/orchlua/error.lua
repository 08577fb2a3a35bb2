-- The one error object: what the compiler, the runtime, the agents and the
-- core's callers raise or return. It prints as its message.

local M = {}

---@class orchlua.Error
---@field type string      what went wrong, in one word: `type`, `arithmetic`, `timeout`, `agent`, …
---@field message string   for a person
---@field line? integer    of the program, 1-based
---@field column? integer  of the program, 1-based, in code points
---@field hint? string     what to do about it
---@field cause? any       the error behind this one
local Error = { __name = "orchlua.Error" }
Error.__index = Error
Error.__tostring = function(self) return self.message end
M.Error = Error

--- Makes an error object. `fields` (optional) is a table of further fields
--- (`line`, `agent_id`, `status`, …); it becomes the object itself.
---@param type string
---@param message string
---@param fields? table
---@return orchlua.Error
function M.new(type, message, fields)
  local self = fields or {}
  self.type, self.message = type, message
  return setmetatable(self, Error)
end

--- Raises an error object made as by `new`.
function M.raise(type, message, fields)
  error(M.new(type, message, fields), 0)
end

--- Tells whether `value` is an error object.
function M.is(value)
  return getmetatable(value) == Error
end

--- Makes an error object of whatever was raised: an error object stays itself,
--- anything else becomes the message of one of the type `fallback`.
function M.wrap(value, fallback)
  if M.is(value) then return value end
  return M.new(fallback or "internal", tostring(value))
end

return M
