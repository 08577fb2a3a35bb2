-- A run is driven again: after a crash, a stop, or a failure. What was in flight is
-- sent again under the same key; branches that failed go on at the statement, or with
-- the request, that failed; the time in which nobody drove the run is not counted
-- where that would be unfair to what was in flight.

local budget = require "orchlua.run.budget"
local errors = require "orchlua.error"
local events = require "orchlua.run.events"
local own = require("orchlua.run.own").own
local keys = require "orchlua.keys"
local parallel = require "orchlua.run.parallel"
local in_flight = require "orchlua.run.in_flight"

local M = {}

-- A request that was in flight in this many crashes is not sent again, so that no
-- run crashes for ever.
local MOST_CRASHES = 5

-- Failed branches ------------------------------------------------------------------

-- Enters the failed statement anew: once, through a unit compiled for that.
local function enter_again(run, branch)
  local unit = branch.unit
  local entry = run.program:enter(unit, branch.entry or run.program:entry_of(branch.site))
  branch.entry = nil
  branch.unit = {
    names = unit.names, fn = function(frame, _, of_run)
      branch.unit = unit
      return entry(frame, of_run)
    end,
  }
  run:wake(branch)
end

--- A branch that failed goes on. One that failed at an AWAIT, by a request that it did not wait for, awaits it anew.
function M.revive(run, branch)
  local failed = branch.failed_request
  run.branches[branch.id] = branch
  branch.failure, branch.failed_request = nil, nil
  if branch.failed_children then return parallel.reopen(run, branch) end
  if failed then events.send_again(run, branch, failed) end
  if not failed or not failed.awaited then enter_again(run, branch) end
end

-- Requests in flight -------------------------------------------------------------------

local function unknown_outcome(request)
  if request.options.at_most_once then
    return "it may have been sent, nothing came back, and `at_most_once` forbids to send it again"
  end
  if (request.crashes or 0) >= MOST_CRASHES then
    return ("whoever drove the run crashed %d times while it was in flight"):format(request.crashes)
  end
end

-- Why a request is not sent again; nil when it is. Nobody knows what the try before took.
local function refusal(run, request)
  local why = unknown_outcome(request)
  if why then return errors.new("unknown_outcome", ("what became of the request to `%s` is unknown: %s"):format(request.agent_id, why)) end
  if request.kind ~= "agent" then return nil end
  if request.open or request.asks then budget.close(run, request, nil) end
  local ok, refused = pcall(budget.open, run, request)
  if ok then return nil end
  if not errors.is(refused) then error(refused, 0) end
  return refused
end

-- Sends a request again, or answers it when that may not be.
local function again(run, request, crashed)
  if request.kind == "pattern" then return end
  if request.kind == "entity" or request.kind == "run" then
    run:want { effect = "again", request = request }
    return
  end
  request.attempt = request.attempt + 1
  if crashed then request.crashes = (request.crashes or 0) + 1 end
  local refused = refusal(run, request)
  if not refused then
    run:want { effect = "again", request = request }
    return
  end
  in_flight.take(run, request.number)
  events.answered(run, request, { error = refused, attempts = request.attempt - 1, duration = 0 })
end

-- Time that nobody saw go by -------------------------------------------------------------

local function pass_over(run, outage)
  local outages = own(run, "outages")
  outages[#outages + 1] = { time = run.time, seconds = outage }
  for _, whom in pairs(run.timers) do
    if whom.wait.mail and whom.wait.at then whom.wait.at = whom.wait.at + outage end
  end
end

--- Sets the clock for every wait, as after a start of the process.
function M.arm(run)
  local now = run.clock:now()
  for _, number in ipairs(keys.sorted(run.timers)) do
    local wait = run.timers[number].wait
    run:arm(wait, math.max(0, wait.at - now))
  end
end

--- The row `resume`: `outage` are the seconds in which nobody drove the run. The agents are those
--- of the configuration now; a budget that is given replaces the one given before.
function M.resumed(run, row)
  run.terms = nil
  if row.budget then budget.limit(run, "given", row.budget) end
  run:publish("run:resumed", { program = run.program.title or run.program.name })
  if run.request_total > 0 and row.outage > 0 then pass_over(run, row.outage) end
  if run.leaving then run.leaving.wait.at = run.leaving.wait.at + row.outage end
  for _, request in ipairs(in_flight.list(run)) do again(run, request, row.crashed) end
  if run.status == "failed" then
    run.status, run.failing, run.main_ended, run.result, run.error, run.duration = "running", nil, nil, nil, nil, nil
    M.revive(run, run.main)
  end
  if not run.replay then M.arm(run) end
end

return M
