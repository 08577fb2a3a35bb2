-- Letting in those who wait for their turn, one admission at a time.

local M = {}

--- Calls `let_in(waiting, ...)`, unless that goes on already: what ends inside its own start leaves what
--- follows to the one that runs, so the stack stays flat.
---@param waiting { admitting: boolean }
---@param let_in fun(waiting, ...)   what it raises passes through
function M.once(waiting, let_in, ...)
  if waiting.admitting then return end
  waiting.admitting = true
  local ok, problem = pcall(let_in, waiting, ...)
  waiting.admitting = false
  if not ok then error(problem, 0) end
end

return M
