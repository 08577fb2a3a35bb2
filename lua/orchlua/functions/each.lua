-- Going over a collection with an element function, called as `f(value, key,
-- is_object)`: the key is the 0-based index or the object's key. A collection is
-- an array, or an object, whose values count. The function may change the list it
-- is called for; a list that gets shorter under way ends there.

local check = require "orchlua.functions.check"

local M = {}

-- The elements, the keys (nil for an array) and how many; counts them as steps.
local function open(run, name, list)
  local items, keys = check.elements(name, list)
  local count = #items
  run:charge(count)
  return items, keys, count
end

--- Calls `visit(element, key, is_object)` for each element until it gives true.
function M.each(run, name, list, visit)
  local items, keys, count = open(run, name, list)
  for i = 1, count do
    local item = items[i]
    if item == nil or visit(item, keys and keys[i] or i - 1, keys ~= nil) then return end
  end
end

--- What `f` gives for each element, or the elements when there is no `f`.
---@return table list   a new one
function M.results(run, name, list, f)
  local items, keys, count = open(run, name, list)
  if not f then return table.move(items, 1, count, 1, {}) end
  local made, is_object = {}, keys ~= nil
  for i = 1, count do
    local item = items[i]
    if item == nil then break end
    made[i] = f(item, keys and keys[i] or i - 1, is_object)
  end
  return made
end

return M
