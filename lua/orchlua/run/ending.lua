-- How a run ends: by itself, by RETURN, by an error or a cancel. FINALLY blocks run first.

local budget = require "orchlua.run.budget"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local failure = require "orchlua.run.failure"
local flow = require "orchlua.run.flow"
local in_flight = require "orchlua.run.in_flight"
local parallel = require "orchlua.run.parallel"

local null = core.value.null

-- Seconds that FINALLY blocks have when a run is cancelled.
local FINALLY_SECONDS = 30

---@class orchlua.Run
local Run = {}

-- With nothing left to run, and nothing asked, the run is over, waits, or can never go on.
function Run:settle()
  if self.status ~= "running" then return end
  if self.main_ended and self.request_total == 0 then return self:finish() end
  if next(self.branches) and self:stuck() then
    local waiter = self.waiters[1]
    self:throw(waiter, errors.new("stuck", "this AWAIT can never be answered: no reply is outstanding"), waiter.site)
    if not self.awake then self:settle() end
  end
end

--- A branch has come to its end.
function Run:branch_ended(branch)
  if branch ~= self.main and not branch.detached then return parallel.ended(self, branch) end
  self:drop(branch)
  if branch.detached then return flow.ended(self, branch) end
  self.main_ended = true
end

--- Ends the run early, by RETURN or a cancel: the other branches and the calls in
--- flight are cancelled; FINALLY blocks run first, for 30 s at most.
---@param how { status: string, result: any, error: table? }
function Run:leave(how)
  if self.leaving then return end
  self.leaving, how.wait = how, {}
  self:set_timer(how.wait, how, FINALLY_SECONDS)
  self:abandon_requests()
  local ids = {}
  for id in pairs(self.branches) do ids[#ids + 1] = id end
  table.sort(ids, function(a, b) return a > b end)
  for _, id in ipairs(ids) do
    if self.branches[id] then self:cancel_branch(self.branches[id]) end
  end
  self.awake = true
end

-- The FINALLY block that a branch is in, if it is in one.
local function finishing(self, branch)
  local site = self.program.sites[branch.site or 0]
  return site and site.finishing
end

-- Whether a branch around this one is in a FINALLY block.
local function finishes_outside(self, branch)
  local outer = branch.parent
  while outer do
    if finishing(self, outer) then return true end
    outer = outer.parent
  end
  return false
end

-- A request of a FINALLY block that is running is not cut off.
function Run:abandon_requests()
  for _, request in ipairs(in_flight.list(self)) do
    local branch = request.awaited and self.branches[request.branch]
    if not branch or not finishing(self, branch) and not finishes_outside(self, branch) then
      in_flight.take(self, request.number)
      if request.open or request.asks then budget.close(self, request, nil) end
      self:want { effect = "abandon", request = request }
    end
  end
end

--- Cancels a branch, wherever it stands: its FINALLY blocks run, then it ends. One
--- whose children are alive is cancelled after them. A FINALLY that runs is not cut off,
--- nor its children.
function Run:cancel_branch(branch)
  if finishes_outside(self, branch) then return end
  local finally = finishing(self, branch)
  if finally then
    branch.frame[finally.key] = finally.exit
    return
  end
  if branch.children and branch.children.live > 0 then
    branch.children.closed = true
    return
  end
  local is_strand = branch.unit == flow.UNIT
  local site = not is_strand and self.program.sites[branch.site or 0]
  if site and site.cancel then
    branch.frame[1] = site.cancel
  else
    if is_strand then flow.cancelled(self, branch) end
    branch.unit = parallel.ENDED
  end
  if branch.wait then self:wake(branch, nil) end
end

--- The answer to the main branch's last event, for a run without RETURN.
local function last_answer(self)
  return self.last == nil and null or self.last
end

local function final(self)
  if self.leaving then return self.leaving end
  if self.failing then return { status = "failed", error = self.failing } end
  return { status = "completed", result = last_answer(self) }
end

--- Ends the run.
function Run:finish()
  local how = final(self)
  if how.wait then self:call_off(how.wait) end
  self:abandon_requests()
  for _, branch in pairs(self.branches) do
    if branch.wait then self:forget_wait(branch) end
  end
  local work = self.work
  work.ready, work.values, work.ready_first, work.ready_last, work.current = {}, {}, 1, 0, false
  self.branches, self.branch_total, self.waiters, self.awake = {}, 0, nil, false
  self.status, self.result, self.error = how.status, how.result, how.error
  local ended = self:learned(function() return self.clock:now() end)
  self.duration = math.floor(math.max(0, ended - self.started) * 1e6 + 0.5) / 1e6
  self:publish("run:" .. how.status, {
    result = how.result, error = how.error and failure.to_value(how.error), reason = how.reason, duration = self.duration,
    usage = self.usage.input and budget.of_run(self),
  })
end

return Run
