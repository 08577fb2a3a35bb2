-- Which entities a query finds: those whose properties have equal fields. What is not
-- there is null, as everywhere in the language.

local core = require "orchlua.core"

local value = core.value

local M = {}

--- Whether properties have the fields of `where`.
---@param properties any   an object, or whatever PERSIST put there
---@param where? table     an object; none finds all
---@return boolean
function M.matches(properties, where)
  if not where then return true end
  local fields = value.kind(properties) == "object" and properties or {}
  for _, key in ipairs(where) do
    local held = fields[key]
    if held == nil then held = value.null end
    if not value.equal(held, where[key]) then return false end
  end
  return true
end

return M
