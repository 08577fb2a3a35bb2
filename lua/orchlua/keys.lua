-- The keys of a table in an order that is always the same.

local M = {}

local function before(a, b)
  if type(a) == type(b) and (type(a) == "string" or type(a) == "number") then return a < b end
  return type(a) .. tostring(a) < type(b) .. tostring(b)
end

--- All keys, sorted: numbers, then strings.
---@param map table
---@return any[]
function M.sorted(map)
  local list = {}
  for key in pairs(map) do list[#list + 1] = key end
  table.sort(list, before)
  return list
end

--- Those that are strings, sorted. An object of the language, which lists its keys as well, has no others.
---@param map table
---@return string[]
function M.names(map)
  local names = {}
  for key in pairs(map) do
    if type(key) == "string" then names[#names + 1] = key end
  end
  table.sort(names)
  return names
end

return M
