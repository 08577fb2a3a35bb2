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

-- Errors and warnings of a program's text print as where they are and what they say; a list of them, a line for each.
local Diagnostic = { __name = "orchlua.Diagnostic" }
Diagnostic.__tostring = function(self) return ("%s:%d:%d: %s"):format(self.file, self.line, self.column, self.message) end

local Diagnostics = { __name = "orchlua.Diagnostics" }
Diagnostics.__tostring = function(self)
  local lines = {}
  for i, diagnostic in ipairs(self) do lines[i] = tostring(diagnostic) end
  return table.concat(lines, "\n")
end

--- Makes a list of what is wrong with a program's text one that prints, so that `assert` tells it.
---@param list { file: string, line: integer, column: integer, message: string }[]
---@return table[] list   the same
function M.diagnostics(list)
  for _, diagnostic in ipairs(list) do setmetatable(diagnostic, Diagnostic) end
  return setmetatable(list, Diagnostics)
end

local known = { type = true, message = true, hint = true, status = true }

--- Makes an error object of what user code raised: a table `{type, message, …}` keeps its type, and
--- its other fields as `fields`; anything else becomes a message.
---@param raised any
---@param fallback string   the type of what has none
function M.of(raised, fallback)
  if M.is(raised) then return raised end
  if type(raised) ~= "table" then return M.new(fallback, tostring(raised)) end
  local fields = {}
  for name, field in pairs(raised) do
    if type(name) == "string" and not known[name] then fields[name] = field end
  end
  local message = type(raised.message) == "string" and raised.message or "it raised a table without a message"
  return M.new(type(raised.type) == "string" and raised.type or fallback, message, {
    fields = next(fields) and fields or nil, hint = raised.hint, status = math.tointeger(raised.status),
  })
end

return M
