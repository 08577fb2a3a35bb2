-- The soak's checks: each prints a line, and all together make the closing one.

-- Lines are shown as they come, also through a pipe.
io.stdout:setvbuf "line"

local M = { passed = 0, failed = 0 }

--- One thing that must hold.
---@param holds any
---@param format string   what was found, as a sentence
function M.check(holds, format, ...)
  local key = holds and "passed" or "failed"
  M[key] = M[key] + 1
  print(("%-7s %s"):format(holds and "ok" or "FAILED", format:format(...)))
end

--- The closing line; ends the process.
function M.close()
  print(("%d passed, %d failed"):format(M.passed, M.failed))
  os.exit(M.failed == 0, true)
end

return M
