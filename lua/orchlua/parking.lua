-- Runs that only wait, for a timer, a signal or a person: after a while they are kept
-- as a snapshot, and when many wait, those that have waited longest leave memory. The
-- store knows when they are due; they come back on their timer or a message.

local errors = require "orchlua.error"
local flow = require "orchlua.run.flow"
local journal = require "orchlua.journal"
local resume = require "orchlua.resume"
local snapshot = require "orchlua.run.snapshot"

local M = {}

-- Seconds that a run has waited before it is kept as a snapshot, and how many that wait
-- stay in memory.
M.SECONDS = 1
M.IN_MEMORY = 100

---@class orchlua.Parking
local Parking = {}
Parking.__index = Parking

--- Makes the parking of a runtime with a journal.
function M.new(runtime)
  return setmetatable({ runtime = runtime, count = 0, due = nil, shells = setmetatable({}, { __mode = "v" }) }, Parking)
end

local function snapshot_is_current(run)
  local last = run.marks and run.marks[#run.marks]
  return last and last.seq == run.row_seq
end

local function settled(run)
  return run:parked() and not (run.work or run.held or run.performing)
end

-- The runs that have waited for a while, the longest first.
local function long_parked(self)
  local now, list = self.runtime.clock:now(), {}
  for _, run in pairs(self.runtime.runs) do
    if run.due and now - run.time >= M.SECONDS and not run.accounted and settled(run) then list[#list + 1] = run end
  end
  table.sort(list, function(a, b) return a.time < b.time end)
  return list
end

local function leave_memory(self, run)
  local runtime = self.runtime
  run:disarm()
  flow.leave(run)
  snapshot.forget(run)
  run.status = "running"
  runtime.runs[run.id] = nil
  self.shells[run.id] = run
  self.count = self.count + 1
end

--- Takes snapshots of runs that wait, and puts away those that are too many.
function Parking:tidy()
  local parked = long_parked(self)
  local too_many, away = #parked - M.IN_MEMORY, 0
  for i, run in ipairs(parked) do
    if not snapshot_is_current(run) then
      self.runtime.journal:snapshot(run)
    elseif i <= too_many then
      leave_memory(self, run)
      away = away + 1
    end
  end
  if away == 0 then return end
  self.due = self.runtime.store:next_due_of_mine()
end

-- Runs that were put away, and that a host still holds: it is told.
local function stop_lost_shells(self)
  for id, run in pairs(self.shells) do
    if not self.runtime.store:is_mine(id) then
      self.shells[id], self.count = nil, self.count - 1
      self.runtime:stop(run, journal.lost(run))
    end
  end
end

-- How many of the runs that this process holds are not in memory.
local function away(self)
  local count, err = self.runtime.store:count_of_mine()
  if not count then errors.raise(err.type, err.message) end
  for id in pairs(self.runtime.runs) do
    if self.runtime.store:is_mine(id) then count = count - 1 end
  end
  return count
end

--- Others may have taken runs over: those are not waited for any more, put away or not.
function Parking:recount()
  stop_lost_shells(self)
  local lost = self.count - away(self)
  self.count, self.runtime.alive = self.count - lost, self.runtime.alive - lost
  for _, run in pairs(self.runtime.runs) do
    if not run.accounted and settled(run) then self.runtime.journal:ask_lease(run) end
  end
end

--- Seconds until a run that was put away is due; nil when none is.
function Parking:patience()
  return self.due and math.max(0, self.due - self.runtime.clock:now())
end

--- Brings a run back that was put away.
---@param id string
---@return orchlua.Run? run   nil when it is not one of those
---@return orchlua.Error? err
function Parking:wake(id)
  if self.count == 0 or self.runtime.runs[id] then return nil end
  local run, err = resume.wake(self.runtime, id, self.shells[id])
  if not run then return nil, err end
  self.shells[id] = nil
  self.count = self.count - 1
  return run
end

--- Brings back what is due.
function Parking:wake_due()
  if not self.due or self.due > self.runtime.clock:now() then return end
  local list, err = self.runtime.store:due_of_mine(self.runtime.clock:now())
  if not list then errors.raise(err.type, err.message) end
  for _, row in ipairs(list) do
    local _, problem = self:wake(row.id)
    if problem then errors.raise(problem.type, problem.message) end
  end
  self.due = self.runtime.store:next_due_of_mine()
end

return M
