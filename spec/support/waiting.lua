-- Runs code that waits: a loop for one function.

local core = require "orchlua.core"

local M = {}

--- Calls `work(loop)` in a coroutine of a new loop, turns the loop until it has
--- returned, and returns what it returned or raises what it raised. A loop that
--- goes idle first, or runs for more than `seconds` (20), fails the spec.
---@param work fun(loop: any): ...
---@param seconds? number
function M.run(work, seconds)
  local loop = core.loop.new()
  local results
  local co = coroutine.create(function() results = table.pack(pcall(work, loop)) end)
  local ok, problem = pcall(function()
    local last = core.loop.clock() + (seconds or 20)
    loop:resume(co)
    while not results do
      local active = loop:turn(0.1)
      assert(active or results, "the loop is idle and the work has not ended")
      assert(core.loop.clock() < last, "the work takes too long")
    end
  end)
  loop:close()
  if not ok then error(problem, 0) end
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

return M
