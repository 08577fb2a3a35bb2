-- Leases: which process drives a run. It holds its runs as long as it gives signs of life, and is alive.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local process = require "orchlua.store.process"

local M = {}

-- Seconds that a driver holds its runs without a sign of life, and between two signs.
M.SECONDS, M.RENEW_SECONDS = 10, 3

--- Whether somebody else drives a run, as far as can be known here.
function M.held_by_other(store, run)
  if not run.driver or run.driver == store.driver then return false end
  if not run.renewed then return false end
  return not process.dead(run, store.here) and run.renewed + M.SECONDS > core.loop.clock()
end

--- Who drives a run, in words; nil when nobody does.
---@param run table   as `find` gives it
function M.holder(store, run)
  if not M.held_by_other(store, run) then return nil end
  return ("process %d on %s"):format(run.pid, run.host)
end

local function held_error(store, run)
  return errors.new("lease", ("the run `%s` is being driven by %s"):format(run.id, store:holder(run)),
    { hint = "wait until that process ends, or stop it; `orchlua signal` and `orchlua cancel` reach it" })
end

-- A run's row as it was, when it can be had, and is.
local function take(store, id)
  local run, err = store:find(id)
  if not run then return nil, err end
  if M.held_by_other(store, run) then return nil, held_error(store, run) end
  err = select(2, store:query("UPDATE run SET driver = ?, fence = fence + 1 WHERE number = ?", store.driver, run.number))
  return run, err
end

--- Takes the lease of a run: from now on this process drives it.
---@param id string
---@return table? run   as `find` gives it, with its new `fence`; `crashed` when its last driver never let it go
---@return orchlua.Error? err
function M.take(store, id)
  local err = store:sign_in()
  if err then return nil, err end
  local run
  run, err = store:transaction(function() return take(store, id) end)
  if not run then return nil, err end
  run.crashed, run.driver_before = run.driver ~= nil, run.driver
  run.last_driven = math.max(run.changed, run.driver and run.renewed or 0)
  run.fence, run.driver = run.fence + 1, store.driver
  return run
end

--- Lets a run go that was taken and not driven: all is as before, the crash of an earlier driver too.
---@param run table   as `take` gives it
function M.release(store, run)
  store.taken_up[run.number] = true
  return store:query("UPDATE run SET driver = ? WHERE number = ? AND fence = ?", run.driver_before, run.number, run.fence)
end

return M
