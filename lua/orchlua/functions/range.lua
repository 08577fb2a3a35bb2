-- How many numbers a RANGE has.

local M = {}

-- Exact, also where the ends are further apart than doubles tell one from the next.
local function whole(first, past, step)
  if step < 0 then first, past, step = past, first, -step end
  if first >= past then return 0 end
  local last = past - first - 1
  return last >= 0 and step > 0 and last // step + 1 or nil
end

--- The numbers from `first` up to, not including, `past`.
---@param first number
---@param past number
---@param step number   not 0
---@return number count   whole, 0 or more; infinite where the ends are too far apart
function M.count(first, past, step)
  local integers = math.type(first) == "integer" and math.type(past) == "integer" and math.type(step) == "integer"
  return integers and whole(first, past, step) or math.max(0, math.ceil((past + 0.0 - first) / step))
end

return M
