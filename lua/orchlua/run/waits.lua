-- The waits of a run: where its branches stand, and the timers that end them.

local clock = require "orchlua.clock"
local mailbox = require "orchlua.run.mailbox"
local own = require "orchlua.run.own"

---@class orchlua.Run
local Run = {}

--- Puts a branch at a wait; with `seconds`, a timer row will wake it.
function Run:await(branch, site, wait, seconds)
  branch.site, branch.wait = site, wait
  self:set_timer(wait, branch, seconds)
end

--- Ends a branch's wait.
function Run:forget_wait(branch)
  local wait = branch.wait
  branch.wait = nil
  if wait.seconds then self:call_off(wait) end
  if wait.mail then mailbox.leave(self, branch) end
end

--- Gives a wait its number, and with `seconds` a timer row that will come for `whom`:
--- a branch, or the run that is being left.
function Run:set_timer(wait, whom, seconds)
  self.wait_count = self.wait_count + 1
  wait.number = self.wait_count
  if not seconds then return end
  own.own(self, "timers")[wait.number] = whom
  wait.seconds = seconds
  if self.keeps then wait.at = self:now() + seconds end
  if not self.replay then self:arm(wait, seconds) end
end

-- The time of a wait is over.
local function over(self, wait)
  self.on_clock[wait] = nil
  self:deliver { kind = "timer", wait = wait.number }
end

--- Sets the clock for a wait.
function Run:arm(wait, seconds)
  self.on_clock[wait] = self.clock:after(seconds, clock.TIMER, over, self, wait)
end

local function disarm(self, wait)
  local due = self.on_clock[wait]
  if due then self.clock:cancel(due) end
  self.on_clock[wait] = nil
end

--- Calls a wait's timer off.
function Run:call_off(wait)
  self.timers[wait.number] = nil
  disarm(self, wait)
end

--- Takes every timer from the clock, before the run leaves memory.
function Run:disarm()
  for _, whom in pairs(self.timers) do disarm(self, whom.wait) end
end

--- Whether nothing can wake this run any more.
function Run:stuck()
  if self.request_total > self.flow_count or next(self.timers) or #self.waiters == 0 then return false end
  for _, waiter in ipairs(self.waiters) do
    if waiter.wait.from then return false end
  end
  return true
end

--- Whether all the run waits for is timers and signals.
function Run:parked()
  return self.status == "running" and not self.awake and self.request_total == self.flow_count and not self:has_arrivals()
end

return Run
