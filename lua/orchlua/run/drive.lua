-- Driving a run: a row is taken, branches are resumed until none is ready, and only then the
-- next row is taken; so the order of rows alone decides what happens. Each goes on in bounded
-- portions, so that other runs and the world have their turn.

local arrivals = require "orchlua.run.arrivals"
local at_once = require "orchlua.run.at_once"
local errors = require "orchlua.error"
local limits = require "orchlua.run.limits"
local operations = require "orchlua.run.operations"
local reply = require "orchlua.run.reply"
local waits = require "orchlua.run.waits"
local works = require "orchlua.run.work"

local forget_wait, take_up = waits.forget_wait, works.take_up

-- Loop turns between two looks at the step limit.
local SLICE = 256
-- Branches resumed in one go before other runs and the world have their turn.
local RESUMES_AT_ONCE = 512
-- Rows taken in one go.
local ROWS_AT_ONCE = 64

---@class orchlua.Run
local Run = {}

-- The door -----------------------------------------------------------------------------

--- What the world says comes in here and nowhere else: a row, taken when the run is at
--- rest. `run/arrivals.lua` has the kinds of rows.
function Run:deliver(row)
  row.time = row.time or self.clock:now()
  local work = self.work or take_up(self)
  local last = work.arriving_last + 1
  work.arriving_last, work.alone = last, false
  work.arriving[last] = row
  self.on_row(self)
end

local function has_rows(work) return work.arriving_last > 0 or work.arrivals[work.arrivals_first] ~= nil end

--- Whether rows wait to be taken.
function Run:has_arrivals()
  local work = self.work
  return work and has_rows(work)
end

-- Driving --------------------------------------------------------------------------

--- Makes a branch ready to go on with a value.
function Run:wake(branch, v)
  if branch.wait then forget_wait(self, branch) end
  local work = self.work
  local last = work.ready_last + 1
  work.ready_last = last
  work.ready[last], work.values[last] = branch, v
  self.awake = true
end

--- Has the branch that was running go on before any other: it has not waited.
function Run:go_on(branch, v)
  local work = self.work
  local first = work.ready_first - 1
  work.ready_first, work.ready[first], work.values[first] = first, branch, v
  work.caught, self.awake = branch, true
end

local function too_many_steps(self)
  return limits.reached("steps", ("more than %d loop turns without a wait"):format(self.limits.steps),
    { uncatchable = true, hint = "wait in the loop, or raise --max-steps" })
end

-- Takes the branch that has been ready longest, and what it goes on with; with the last one taken the run is not
-- awake any more, unless that one wakes another. Loop turns are counted from a wait on; an
-- error that a TRY takes is no wait.
local function next_ready(self, work)
  local ready, values, first = work.ready, work.values, work.ready_first
  local branch, v = ready[first], values[first]
  ready[first], values[first] = nil, nil
  if first < work.ready_last then
    work.ready_first = first + 1
  else
    work.ready_first, work.ready_last, self.awake = 1, 0, false
  end
  if work.caught == branch then work.caught = false else work.charged = 0 end
  work.current, work.granted = branch, work.slice
  return branch, v
end

-- Resumes branches that are ready, each until it waits.
local function resume_branches(self)
  local work = self.work
  for _ = 1, RESUMES_AT_ONCE do
    local branch, v = next_ready(self, work)
    if not branch then return end
    local fn, frame, goes_on = branch.unit.fn, branch.frame
    repeat
      local operation, site, a, b, c = fn(frame, v, self)
      work.operating = site
      goes_on, v = operations[operation](self, branch, site, a, b, c)
      work.operating = false
    until not goes_on
    if not self.awake then return end
  end
end

-- An error in the branch that runs. It counts as a turn of a loop, so that no loop of
-- errors goes on for ever.
local function raised(self, failed)
  local work = self.work
  work.charged = work.charged + work.granted - work.slice + 1
  local err = work.charged > self.limits.steps and not failed.error.uncatchable and too_many_steps(self) or failed.error
  self:throw(work.current, err, failed.site, nil, true)
end

-- Somebody wants the run to stop in the middle of its work.
local function interruption(self)
  if not self.interrupted or not self.interrupted() then return nil end
  return errors.new("interrupted", "stopped in the middle of its work", { uncatchable = true })
end

-- Returns after so many errors too, awake still, so that the world has its turn.
local function resume_until_rest(self)
  for _ = 1, RESUMES_AT_ONCE do
    local ok, failed = xpcall(resume_branches, self.work.on_error, self)
    if ok then return end
    -- Lua asks no message handler when memory is refused, so the locals are lost.
    if type(failed) ~= "table" then return self:stop(self.ceiling:refused(self, failed)) end
    if not failed.site then error(failed.trace, 0) end
    self.work.operating = false
    if failed.error.type == "interrupted" then return self:stop(failed.error) end
    raised(self, failed)
  end
  local stopping = interruption(self)
  if stopping then self:stop(stopping) end
end

-- Turns that a branch has until it looks at its limits: none when memory is to be looked at.
local function slice(self)
  if self.room <= 0 then return 0 end
  local steps = self.limits.steps
  return steps < SLICE and steps or SLICE
end

local function resume_all(self, work)
  local ceiling = self.ceiling
  work.slice, work.alone = slice(self), at_once.is_alone(self)
  ceiling:enter(self)
  resume_until_rest(self)
  ceiling:leave(self)
end

--- Stops here: what the run did since its last row is as if it had not been.
function Run:stop(err)
  self.status, self.error, self.awake = "stopped", err, false
  if self.work then self.work.row = false end
end

-- Nothing is ready: what the row led to is complete, unless that itself wakes a branch.
local function rest(self, work, row)
  if self.request_total == self.flow_count then self:settle() end
  if self.awake then return false end
  work.row = false
  if not self.keeps and row.kind == "reply" then reply.spare(self, row) end
  self:at_rest(row)
  return true
end

-- Takes a row: branches become ready.
local function take(self, work, row)
  work.row, work.readings, work.current, self.time = row, false, false, row.time
  if row.body then self.room = self.room - reply.PARSED * #row.body end
  if self.status == "running" or row.kind == "resume" then arrivals[row.kind](self, row) end
end

--- Takes a row at once, as a replay does.
function Run:take(row) take(self, self.work or take_up(self), row) end

-- Takes the row that came first; false when none is left.
local function take_next(self, work)
  local rows, first = work.arrivals, work.arrivals_first
  local row = rows[first]
  if not row then
    if work.arriving_last == 0 then return false end
    rows, first = work.arriving, 1
    work.arrivals, work.arriving, work.arriving_last = rows, work.arrivals, 0
    row = rows[first]
  end
  rows[first], work.arrivals_first = nil, first + 1
  take(self, work, row)
  return true
end

local function drive(self, work)
  work.rows_left = ROWS_AT_ONCE
  repeat
    if self.awake then
      resume_all(self, work)
      if self.awake then return end
    end
    local row = work.row
    if row and not rest(self, work, row) then return end
    work.rows_left = work.rows_left - 1
  until work.rows_left < 0 or self.status == "stopped" or not take_next(self, work)
end

-- Whether nothing is in a run's hands, and no answer is still to come.
local function is_through(self, work)
  return self.request_total == self.flow_count and not (self.awake or work.row or work.outbox[1] or has_rows(work))
end

--- Goes on: resumes the branches that are ready, a bounded number of them, then takes
--- the next row, and so on, a bounded number of them too. Each row is driven to rest before the
--- next is taken, so that the order of rows alone decides what happens.
function Run:drive()
  local work = self.work
  if not work then return end
  -- What the run does in the middle of this may drive it.
  if work.driven then return drive(self, work) end
  work.driven = true
  drive(self, work)
  work.driven = false
  if is_through(self, work) then works.put_down(self) end
end

-- Turns of loops -----------------------------------------------------------------------

--- Counts elements that a collection function looks at as loop turns.
function Run:charge(count)
  local work = self.work
  work.charged = work.charged + count
  if work.charged + work.granted - work.slice > self.limits.steps then error(too_many_steps(self), 0) end
  if count > SLICE then self.ceiling:look(self) end
end

--- Grants a loop its next turns.
---@return integer turns
function Run:more()
  local stopping = interruption(self)
  if stopping then error(stopping, 0) end
  local work = self.work
  local left = self.limits.steps - work.charged - work.granted
  if left <= 0 then error(too_many_steps(self), 0) end
  self.ceiling:look(self)
  work.slice = slice(self)
  local turns = math.min(left, SLICE)
  work.granted = work.granted + turns
  return turns - 1
end

--- A large value has been made.
function Run:made_large() self.ceiling:look(self) end

return Run
