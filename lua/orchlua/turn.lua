-- The loop that drives runs. Each turn resumes what is ready, has the journal commit what that led
-- to, fires what is due and lets the world in.

local core = require "orchlua.core"
local leases = require "orchlua.store.lease"

-- How often ready runs are driven before the loop has its turn.
local ROUNDS_AT_ONCE = 64
-- Seconds that a runtime works before it hears others ring. Where it has nothing to do it hears them at once.
local DEAF_SECONDS = 0.02
-- Seconds that the loop waits at most before it looks again: a timer may be due in 1e300.
local LONGEST_TURN = 86400

---@class orchlua.Runtime
local Runtime = {}

--- Sets when the store is first told that this process lives, and when others are first heard.
function Runtime:set_times()
  local now = self.loop_handle:now()
  self.renew_at, self.listen_at = now + leases.RENEW_SECONDS, now + DEAF_SECONDS
end

local function drive(self, run)
  self.driving = run
  run:drive()
  self.driving = nil
  if run.status == "running" then
    if run.awake or run:has_arrivals() then self.touch(run) end
  elseif run.status == "stopped" then
    self:stop(run, run.error)
  elseif not self.journal then
    self:ended(run)
  end
end

-- Commits what has been gathered: at once when nothing else is in flight, so that nobody waits.
local function commit(self)
  if not self.journal:ready() then return end
  if next(self.calls) or #self.awake > 0 then self.journal:commit_later() else self.journal:commit() end
end

local function drive_some(self, awake, from, to)
  for i = from, to do
    local run = awake[i]
    awake[i] = nil
    run.touched = false
    if not run.accounted then drive(self, run) end
  end
end

-- Drives many runs of a journal in two halves, so that one half may be committed meanwhile.
local function drive_halves(self, awake, count)
  local from, half = core.loop.clock(), count // 2
  self.journal:commit_meanwhile(count)
  drive_some(self, awake, 1, half)
  self.journal:commit_meanwhile(count - half)
  drive_some(self, awake, half + 1, count)
  self.journal.seconds_a_run = (core.loop.clock() - from) / count
end

-- Drives the runs that are ready, a bounded number of rounds; tells whether there were any.
-- What was gathered while a batch was with the thread is committed although none is ready.
local function drive_ready(self)
  for round = 1, ROUNDS_AT_ONCE do
    if self.journal and not self.awake[1] then commit(self) end
    local awake = self.awake
    if self.closing then return round > 1 end
    local count = #awake
    if count == 0 then return round > 1 end
    self.awake, self.driven = self.driven, awake
    if self.journal and count > 1 then drive_halves(self, awake, count) else drive_some(self, awake, 1, count) end
    if self.journal then commit(self) end
  end
  return true
end

local function all_parked(self)
  for _, run in pairs(self.runs) do
    if run.status == "running" and not run:parked() then return false end
  end
  return true
end

-- A sign of life for the store, a look for messages, and room for those at work, every
-- few seconds.
local function keep_house(self)
  if not self.journal then return end
  self.parking:wake_due()
  if self.loop_handle:now() < self.renew_at then return end
  self.renew_at = self.loop_handle:now() + leases.RENEW_SECONDS
  self.store:renew()
  if not self.journal.busy then self.store:tidy() end
  self:take_messages()
  self.parking:tidy()
  commit(self)
end

-- From here on others are heard, and what they have said before. It is not done at the start: the
-- system takes longer to end the watch on a file than most short runs take.
local function listen(self)
  if not self.journal or self.bell ~= nil then return end
  self.bell = self.store:listen(self.loop_handle, function() self:take_messages() end) or false
  self:take_messages()
end

-- How long the loop may wait: not at all while a run is ready; nil when nothing is due.
local function patience(self)
  if #self.awake > 0 then return 0 end
  local seconds, outside = self.clock:next() or math.huge, self.outside:next() or math.huge
  local least = math.min(seconds, outside)
  if self.journal then least = math.min(least, math.max(0, self.renew_at - self.loop_handle:now()), self.parking:patience() or math.huge) end
  return least < math.huge and math.min(least, LONGEST_TURN) or nil
end

-- The loop is at work from here to the end of a block, however that ends. Nobody has it turn while it
-- does: a run in the middle of being driven would be driven again.
local AtWork = {}

function AtWork.__close(at_work)
  local self = at_work.runtime
  self.at_work = false
  if self.closing then self:close() end
end

local function work(self)
  if self.at_work then error("the loop is at work already: an agent waits with orchlua.sleep, ask, exec or http", 3) end
  self.at_work = true
  return setmetatable({ runtime = self }, AtWork)
end

local function turn(self)
  local worked = drive_ready(self)
  keep_house(self)
  worked = self.outside:fire() or worked
  worked = #self.awake == 0 and self.clock:fire() or worked
  if self.alive == 0 or self.closing then return false end
  if not worked or self.listen_at and self.loop_handle:now() >= self.listen_at then listen(self) end
  local seconds = worked and 0 or patience(self)
  local active = self.loop_handle:turn(seconds)
  return active or seconds ~= nil or #self.awake > 0
end

--- One turn: runs, effects, timers, the world.
---@return boolean more   whether anything is left that can happen
function Runtime:turn()
  if self.closed then return false end
  local _ <close> = work(self)
  return turn(self)
end

-- Nothing goes on, and nothing is due: all that is left is waiting.
local function quiet(self)
  if not self.clock.virtual and self.clock:next() == 0 or self.parking and self.parking:patience() == 0 then return false end
  return #self.awake == 0 and not (self.journal and (self.journal.busy or self.journal:ready())) and all_parked(self)
end

--- Goes on until every run has ended. With `until_parked`, also returns when all
--- that is left only waits for timers or signals; with `stop`, when it says so.
---@param options? { until_parked: boolean?, stop: (fun(): boolean)? }
function Runtime:loop(options)
  options = options or {}
  local _ <close> = work(self)
  while self.alive > 0 do
    drive_ready(self)
    if options.stop and options.stop() or self.alive == 0 or self.closing then return end
    if options.until_parked and quiet(self) then return end
    if not turn(self) and self.alive > 0 and #self.awake == 0 then return end
  end
end

return Runtime
