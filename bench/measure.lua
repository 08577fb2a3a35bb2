-- How figures are taken: the median of five rounds.

local M = { ROUNDS = 5 }

function M.median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

--- Seconds of processor time that `work()` takes, the median of the rounds.
function M.seconds(work)
  local times = {}
  for i = 1, M.ROUNDS do
    collectgarbage()
    local from = os.clock()
    work()
    times[i] = os.clock() - from
  end
  return M.median(times)
end

return M
