-- One run: a state machine whose whole state is data. Branches stand at points
-- of the program, names are in frames, messages in mailboxes. Everything the run
-- learns from the world comes in through `deliver`, one row at a time; all it
-- wants done leaves through the outbox of its `work`. Between the two, `drive` takes a row and
-- resumes branches until none is ready: then the run is at rest, and what it learned
-- and asked for since the row is complete. Nothing here waits, or touches the world.

local arrivals = require "orchlua.run.arrivals"
local at_once = require "orchlua.run.at_once"
local budget = require "orchlua.run.budget"
local clock = require "orchlua.clock"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local events = require "orchlua.run.events"
local failure = require "orchlua.run.failure"
local flow = require "orchlua.run.flow"
local limits = require "orchlua.run.limits"
local mailbox = require "orchlua.run.mailbox"
local operations = require "orchlua.run.operations"
local own = require "orchlua.run.own"
local parallel = require "orchlua.run.parallel"
local random = require "orchlua.random"
local reply = require "orchlua.run.reply"
local in_flight = require "orchlua.run.in_flight"
local works = require "orchlua.run.work"

local value = core.value
local null = value.null
local take_up = works.take_up

local M = {}

-- Loop turns between two looks at the step limit.
local SLICE = 256
-- Seconds that FINALLY blocks have when a run is cancelled.
local FINALLY_SECONDS = 30
-- Branches resumed in one go before other runs and the world have their turn.
local RESUMES_AT_ONCE = 512
-- Rows taken in one go.
local ROWS_AT_ONCE = 64

---@class orchlua.Branch    a strand of the run
---@field id integer
---@field unit table
---@field frame table       plain data: `[1]` the pc, `[2]` the frame around, names by key
---@field parent? orchlua.Branch
---@field home? table       the mailbox of what it sends, once it has been asked for: `mailbox.of`
---@field site? integer     where it waits
---@field wait? table       what it waits for
---@field children? table   the PARALLEL it is in
---@field label? string

---@class orchlua.Setting   where a run is at home
---@field config table       as its front matter narrows it
---@field folder string
---@field fronts table[]     the front matter that it is under, the outermost first

---@class orchlua.Run
local Run = {}

-- What most runs never change: it is theirs by their kind, so that one that waits is small.
local UNCHANGED = {
  status = "running", request_count = 0, request_total = 0, wait_count = 0, seq = 0, read_at = 0, depth = 0, path = false,
  work = false, awake = false, spare_request = false, replay = false, flow_count = 0, signal_count = 0, budgets = false,
  ask_at_once = false,
}

-- What a run with a journal has besides: what it wants done and holds until the batch has been committed, or its commit is
-- over, the number of its last row, what its rows weigh that no snapshot has, and how it stands as its own row in the store says.
local UNCHANGED_IN_JOURNAL = {
  held = false, performing = false, row_seq = 0, rows_bytes = 0, snapshot_bytes = 0, said = "running", due = false,
}

--- What the runs of one runtime have in common, and their methods: what `new` is given.
---@param common { clock: orchlua.Clock, ceiling: orchlua.Ceiling, keeps: boolean, brief?: boolean, functions: table,
---  patterns?: table, listener?: any, event_handler: fun(name): table?,
---  interrupted?: fun(): boolean, on_row: fun(run), at_rest: fun(run, row), ask_at_once: (fun(run, request, agent): string?, number?, number?)? }
---  `keeps`: what a run learns is kept for a replay; `listener`: somebody wants records; `at_rest`: what a row led to is complete, and
---  in the outbox; `ask_at_once`: asks a function in Lua in the middle of that, and gives its answer, seconds and time, if it is here already
---@return table kind
function M.kind(common)
  -- `on_clock`: what is due on the clock, by the wait that it ends; `spare_rows`: replies that are through, to be written over.
  local index = { telling = common.listener ~= nil, recording = common.listener ~= nil or common.keeps, on_clock = {}, spare_rows = {}, spare_work = false }
  index.kind = index
  for name, field in pairs(UNCHANGED) do index[name] = field end
  for name, field in pairs(UNCHANGED_IN_JOURNAL) do index[name] = field end
  for name, field in pairs(own.shared) do index[name] = field end
  for name, method in pairs(Run) do index[name] = method end
  for name, field in pairs(common) do index[name] = field end
  return { __index = index }
end

--- Makes a run that has not started.
---@param kind table   as `kind` gives it
---@param options { id: string, program: orchlua.Program, inputs: table, seed: integer, setting: orchlua.Setting, limits: orchlua.Limits.Run }
---@return orchlua.Run
function M.new(kind, options)
  return setmetatable({
    id = options.id, program = options.program, inputs = options.inputs, random_state = options.seed, setting = options.setting,
    limits = options.limits, room = options.limits.memory, branches = {}, branch_count = -1, branch_total = 0, time = 0,
  }, kind)
end

--- Starts the main branch; the run is driven later.
function Run:start()
  self:take { kind = "start", time = self.clock:now() }
end

--- A new branch of a unit, not yet awake. It has eight fields, as long as nothing special becomes of it: with one more, Lua would
--- make room for sixteen.
---@param ordinal? integer   among the children of its PARALLEL
---@param label? string
---@return orchlua.Branch
function Run:branch(unit, parent, ordinal, label)
  self.branch_count, self.work.alone = self.branch_count + 1, false
  local frame = parent and { 0, parent.frame } or { 0 }
  local names = unit.names
  for i = 1, #names do frame[names[i]] = null end
  local branch = { id = self.branch_count, unit = unit, frame = frame, parent = parent, ordinal = ordinal, label = label, site = nil, wait = nil }
  self.branches[branch.id] = branch
  self.branch_total = self.branch_total + 1
  return branch
end

-- A branch is none any more.
local function drop(self, branch)
  if not self.branches[branch.id] then return end
  self.branches[branch.id] = nil
  self.branch_total = self.branch_total - 1
end
Run.drop = drop

-- Driving --------------------------------------------------------------------------

-- Ends a branch's wait.
local function forget_wait(self, branch)
  local wait = branch.wait
  branch.wait = nil
  if wait.seconds then self:call_off(wait) end
  if wait.mail then mailbox.leave(self, branch) end
end
Run.forget_wait = forget_wait

--- Makes a branch ready to go on with a value.
function Run:wake(branch, v)
  if branch.wait then forget_wait(self, branch) end
  local work = self.work
  local last = work.ready_last + 1
  work.ready_last = last
  work.ready[last], work.values[last] = branch, v
  self.awake = true
end

-- Has the branch that was running go on before any other: it has not waited.
local function go_on(self, branch, v)
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

local function has_rows(work) return work.arriving_last > 0 or work.arrivals[work.arrivals_first] ~= nil end

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

--- Whether rows wait to be taken.
function Run:has_arrivals()
  local work = self.work
  return work and has_rows(work)
end

-- Waiting ----------------------------------------------------------------------------

--- Puts a branch at a wait; with `seconds`, a timer row will wake it.
function Run:await(branch, site, wait, seconds)
  branch.site, branch.wait = site, wait
  self:set_timer(wait, branch, seconds)
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

--- Takes a row at once, as a replay does: branches become ready.
function Run:take(row) take(self, self.work or take_up(self), row) end

-- Errors ----------------------------------------------------------------------------------

--- Says in an error where it happened, unless it is known.
---@param err orchlua.Error
---@param site integer
---@return orchlua.Error
function Run:located(err, site)
  if err.line then return err end
  err.line, err.column = self.program:position(site)
  local place = self.program.sites[site]
  err.file, err.excerpt = self.program.name, self.program.source:excerpt(place.pos, place.stop)
  return err
end

--- Raises an error in a branch at a site: its TRY takes it, or the branch has failed.
--- `asked` is the request that failed there, for a resume; `running`: it is the branch that runs.
function Run:throw(branch, err, site, asked, running)
  if branch.wait then self:forget_wait(branch) end
  branch.site = site
  self:located(err, site)
  if branch.unit == flow.UNIT then return self:wake(branch, flow.raised(err)) end
  local place = self.program.sites[site]
  if place.handler and not err.uncatchable and not (self.leaving and self.leaving.status == "failed") then
    branch.frame[1] = place.handler
    branch.failed_children = nil
    return (running and go_on or self.wake)(self, branch, failure.to_value(err))
  end
  branch.failure, branch.failed_request = err, asked
  if branch == self.main then
    self.failing = err
    self.main_ended = true
    drop(self, branch)
  else
    parallel.ended(self, branch)
  end
end

-- Ending ------------------------------------------------------------------------------------

--- A branch has come to its end.
function Run:branch_ended(branch)
  if branch ~= self.main and not branch.detached then return parallel.ended(self, branch) end
  drop(self, branch)
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

-- What is left of a branch that was cancelled where no FINALLY is.
local ENDED = { fn = function() return "cancelled" end, names = {} }

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
  local site = self.program.sites[branch.site or 0]
  if site and site.cancel then
    branch.frame[1] = site.cancel
  else
    branch.unit = ENDED
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
  work.ready, work.values, work.ready_first, work.ready_last = {}, {}, 1, 0
  self.branches, self.branch_total, self.waiters, self.awake = {}, 0, nil, false
  self.status, self.result, self.error = how.status, how.result, how.error
  local ended = self:learned(function() return self.clock:now() end)
  self.duration = math.floor(math.max(0, ended - self.started) * 1e6 + 0.5) / 1e6
  self:publish("run:" .. how.status, {
    result = how.result, error = how.error and failure.to_value(how.error), reason = how.reason, duration = self.duration,
    usage = self.usage.input and budget.of_run(self),
  })
end

--- The program's names and their values now, in the order they are introduced.
---@return table object
function Run:names()
  local frame, state = self.main.frame, value.object {}
  for i, name in ipairs(self.program.names) do
    state[i] = name
    state[name] = frame[name]
  end
  return state
end

-- What functions of the language ask of their run ---------------------------------------------

local function keep_reading(self, learned)
  local work = self.work
  local readings = work.readings or value.array {}
  work.readings = readings
  readings[#readings + 1] = learned
end

--- Something the program learns while it runs: `learn()` says what, a value of the
--- language. It rides in the row that is open; a replay hears the same again.
function Run:learned(learn)
  if not self.keeps then return learn() end
  local replay = self.replay
  if replay and replay.at < #replay then
    replay.at = replay.at + 1
    return replay[replay.at]
  end
  local learned = learn()
  keep_reading(self, learned)
  return learned
end

--- Something that is learned once, an object of the language or nothing: a replay hears it
--- where it was learned, and nothing where it was not.
---@param learn fun(): table?
---@return table?
function Run:learned_object(learn)
  local replay = self.keeps and self.replay
  if replay then
    local heard = replay[replay.at + 1]
    if value.kind(heard) ~= "object" then return nil end
    replay.at = replay.at + 1
    return heard
  end
  local learned = learn()
  if learned and self.keeps then keep_reading(self, learned) end
  return learned
end

--- A clock reading: later than the run's last by 1 µs at least.
function Run:now()
  local now = self:learned(function() return math.max(self.clock:now(), self.read_at + 1e-6) end)
  self.read_at = now
  return now
end

--- Seconds since a reading, or since the run began, less those in which nobody drove it
--- while something was in flight.
function Run:elapsed(since)
  since = since or self.started
  local elapsed = self:now() - since
  for _, outage in ipairs(self.outages) do
    if outage.time >= since then elapsed = elapsed - outage.seconds end
  end
  return elapsed
end

--- A random number in [0, 1).
function Run:random()
  local number
  number, self.random_state = random.next(self.random_state)
  return number
end

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

-- Telling the world ------------------------------------------------------------------------------

--- Refuses what the journal could not keep.
function Run:check_row(what, data)
  if limits.beyond_row(self.limits, data) then
    error(limits.reached("row", ("the data of `%s` is larger than %s"):format(what, limits.size(self.limits.row))), 0)
  end
end

--- Tells what happens: a record for whoever listens, and for the journal. On the hot
--- path callers look first whether somebody does (`telling`: a listener; `recording`:
--- a journal too), and make no fields when nobody does.
function Run:publish(kind, fields)
  self.seq = self.seq + 1
  if not self.recording or not fields then return end
  local record = fields
  if self.keeps and not record.request_id then self:check_row(kind, record.data) end
  if type(record.data) == "table" then record.data = value.copy(record.data) or "(nested too deep)" end
  record.seq, record.type, record.time, record.run_id = self.seq, kind, self.time, self.id
  local work = self.work
  if record.branch == nil and work.current then record.branch = work.current.label end
  work.outbox[#work.outbox + 1] = record
end

--- Has something done, when the row that led to it is complete: an effect in the outbox.
function Run:want(effect)
  local outbox = self.work.outbox
  outbox[#outbox + 1] = effect
end

function Run:emit(site, name, data)
  events.raise(self, self.work.current, site, name, data)
end

--- BUDGET: what the run may spend from now on, by its own program.
function Run:budget(_, given)
  budget.set(self, given)
end

function Run:track(_, data)
  self:publish("track", { data = value.copy(data, false, self) })
end

function Run:phase(text)
  self:publish("phase", { text = text })
end

return M
