-- One run: a state machine whose whole state is data. Branches stand at points
-- of the program, names are in frames, messages in mailboxes. Everything the run
-- learns from the world comes in through `deliver`, one row at a time; all it
-- wants done leaves through `outbox`. Between the two, `drive` resumes branches
-- until none is ready. Nothing here waits, or touches the world.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local events = require "orchlua.run.events"
local failure = require "orchlua.run.failure"
local mailbox = require "orchlua.run.mailbox"
local operations = require "orchlua.run.operations"
local parallel = require "orchlua.run.parallel"
local random = require "orchlua.random"

local value = core.value
local null = value.null

local M = {}

-- Loop turns between two looks at the step limit.
local SLICE = 256
-- Seconds that FINALLY blocks have when a run is cancelled.
local FINALLY_SECONDS = 30
-- Branches resumed in one go before other runs and the world have their turn.
local RESUMES_AT_ONCE = 512
M.MAX_STEPS = 10000000

---@class orchlua.Branch    a strand of the run
---@field id integer
---@field unit table
---@field frame table       plain data: `[1]` the pc, `[2]` the frame around, names by key
---@field parent? orchlua.Branch
---@field home table        the mailbox of what it sends: an iteration's own, or the run's
---@field site? integer     where it waits
---@field wait? table       what it waits for
---@field children? table   the PARALLEL it is in
---@field label? string

---@class orchlua.Run
local Run = {}
Run.__index = Run
M.Run = Run

--- Makes a run that has not started.
---@param options { id: string, program: orchlua.Program, inputs: table, seed: integer, clock: orchlua.Clock, config: table,
---  store: table, functions: table, max_steps?: integer, listener?: fun(record), event_handler: fun(name): table?, interrupted?: fun(): boolean }
---@return orchlua.Run
function M.new(options)
  local self = setmetatable({
    id = options.id, program = options.program, inputs = options.inputs, state = options.seed,
    clock = options.clock, config = options.config, store = options.store, functions = options.functions,
    listener = options.listener, event_handler = options.event_handler, interrupted = options.interrupted, max_steps = options.max_steps or M.MAX_STEPS,
    status = "running", branches = {}, branch_count = 0, request_count = 0, wait_count = 0, seq = 0,
    allowed = {}, actions = {}, ready = {}, ready_first = 1, ready_last = 0, outbox = {}, requests = {}, request_total = 0,
    mailbox = mailbox.new(), waiters = {}, timers = {}, read_at = 0,
    usage = { requests = 0 }, signal_count = 0,
  }, Run)
  self.on_error = function(raised) return failure.handle(self, raised) end
  self.slice = math.min(SLICE, self.max_steps)
  self.started = self:now()
  return self
end

--- Starts the main branch.
function Run:start()
  local main = self:branch(self.program.units[1], nil)
  self.main = main
  for _, name in ipairs(self.inputs) do main.frame[name] = self.inputs[name] end
  self:publish("run:started", { program = self.program.title or self.program.name, input = self.inputs })
  self:wake(main)
end

--- A new branch of a unit, not yet awake.
---@return orchlua.Branch
function Run:branch(unit, parent)
  self.branch_count = self.branch_count + 1
  local frame = { 0, parent and parent.frame or nil }
  for _, key in ipairs(unit.names) do frame[key] = null end
  local branch = { id = self.branch_count, unit = unit, frame = frame, parent = parent }
  branch.home = parent and parent.home or self.mailbox
  if unit.kind == "iteration" then branch.home = mailbox.new(branch.home) end
  self.branches[branch.id] = branch
  return branch
end

-- Driving --------------------------------------------------------------------------

--- Makes a branch ready to go on with a value.
function Run:wake(branch, v)
  if branch.wait then self:forget_wait(branch) end
  local last = self.ready_last + 1
  self.ready_last = last
  self.ready[last] = branch
  branch.value = v
  self.awake = true
end

local function next_ready(self)
  local first = self.ready_first
  if first > self.ready_last then
    self.ready_first, self.ready_last = 1, 0
    return nil
  end
  local branch = self.ready[first]
  self.ready[first] = nil
  self.ready_first = first + 1
  return branch
end

local function resume_branches(self)
  local left = RESUMES_AT_ONCE
  while left > 0 do
    local branch = next_ready(self)
    if not branch then
      self.awake = false
      return
    end
    left = left - 1
    self.current, self.charged, self.granted = branch, 0, self.slice
    local v = branch.value
    branch.value = nil
    local operation, site, a, b, c = branch.unit.fn(branch.frame, v, self)
    self.operating = site
    operations[operation](self, branch, site, a, b, c)
    self.operating = nil
  end
end

--- Resumes ready branches, a bounded number of them; errors go where they belong.
function Run:drive()
  repeat
    local ok, failed = xpcall(resume_branches, self.on_error, self)
    if not ok then
      if not failed.site then error(failed.trace, 0) end
      self.operating = nil
      self:throw(self.current, failed.error, failed.site)
    end
  until ok
  if not self.awake then self:settle() end
end

-- With nothing left to run, the run is over, waits, or can never go on.
function Run:settle()
  if self.status ~= "running" then return end
  if self.main_ended and self.request_total == 0 then return self:finish() end
  if next(self.branches) and self:stuck() then
    local waiter = self.waiters[1]
    self:throw(waiter, errors.new("stuck", "this AWAIT can never be answered: no reply is outstanding"), waiter.site)
    if self.awake then return self:drive() end
    self:settle()
  end
end

--- Whether nothing can wake this run any more.
function Run:stuck()
  if self.request_total > 0 or next(self.timers) or #self.waiters == 0 then return false end
  for _, waiter in ipairs(self.waiters) do
    if waiter.wait.from then return false end
  end
  return true
end

--- Whether all the run waits for is timers and signals.
function Run:parked()
  return self.status == "running" and not self.awake and self.request_total == 0
end

-- Waiting ----------------------------------------------------------------------------

--- Puts a branch at a wait; with `seconds`, a timer row will wake it.
function Run:await(branch, site, wait, seconds)
  self.wait_count = self.wait_count + 1
  wait.number = self.wait_count
  branch.site, branch.wait = site, wait
  if seconds then
    self.timers[wait.number] = branch
    wait.due = self.clock:after(seconds, 1, function()
      self:deliver { kind = "timer", wait = wait.number }
    end)
  end
end

--- Ends a branch's wait.
function Run:forget_wait(branch)
  local wait = branch.wait
  branch.wait = nil
  if wait.due then
    self.timers[wait.number] = nil
    self.clock:cancel(wait.due)
  end
  if wait.mail then mailbox.leave(self, branch) end
end

-- The door -----------------------------------------------------------------------------

local arrivals = {}

--- Takes in what the world says: the one way by which anything from outside the
--- run changes it. Rows: `{kind = "reply", request, value | error, …}`, `{kind = "timer", wait}`,
--- `{kind = "signal", name, value}`, `{kind = "cancel", reason}`.
function Run:deliver(row)
  if self.status == "running" then arrivals[row.kind](self, row) end
  if self.on_row then self.on_row(self) end
end

function arrivals.timer(self, row)
  local branch = self.timers[row.wait]
  if branch then self:wake(branch, nil) end
end

function arrivals.reply(self, row)
  local request = self.requests[row.request]
  if not request then return end
  self.requests[row.request] = nil
  self.request_total = self.request_total - 1
  events.answered(self, request, row)
end

function arrivals.signal(self, row)
  self:publish("signal", { name = row.name, data = row.value })
  mailbox.signal(self, row.name, row.value)
end

function arrivals.cancel(self, row)
  self:leave { status = "cancelled", error = errors.new("cancelled", row.reason or "the run was cancelled"), reason = row.reason }
end

-- Errors ----------------------------------------------------------------------------------

local function located(self, err, site)
  if err.line then return end
  err.line, err.column = self.program:position(site)
  local place = self.program.sites[site]
  err.file, err.excerpt = self.program.name, self.program.source:excerpt(place.pos, place.stop)
end

--- Raises an error in a branch at a site: its TRY takes it, or the branch has failed.
function Run:throw(branch, err, site)
  if branch.wait then self:forget_wait(branch) end
  branch.site = site
  located(self, err, site)
  local place = self.program.sites[site]
  if place.handler and not err.uncatchable and not (self.leaving and self.leaving.status == "failed") then
    branch.frame[1] = place.handler
    return self:wake(branch, failure.to_value(err))
  end
  branch.failure = err
  if branch == self.main then
    self.failing = err
    self.main_ended = true
    self.branches[branch.id] = nil
  else
    parallel.ended(self, branch)
  end
end

-- Ending ------------------------------------------------------------------------------------

--- A branch has come to its end.
function Run:branch_ended(branch)
  self.branches[branch.id] = nil
  if branch == self.main then
    self.main_ended = true
  else
    parallel.ended(self, branch)
  end
end

--- Ends the run early, by RETURN or a cancel: the other branches and the calls in
--- flight are cancelled; FINALLY blocks run first, for 30 s at most.
---@param how { status: string, result: any, error: table? }
function Run:leave(how)
  if self.leaving then return end
  self.leaving = how
  how.timer = self.clock:after(FINALLY_SECONDS, 1, function()
    if self.status == "running" then self:finish() end
    if self.on_row then self.on_row(self) end
  end)
  self:abandon_requests()
  local ids = {}
  for id in pairs(self.branches) do ids[#ids + 1] = id end
  table.sort(ids, function(a, b) return a > b end)
  for _, id in ipairs(ids) do
    if self.branches[id] then self:cancel_branch(self.branches[id]) end
  end
  self.awake = true
end

-- A request of a FINALLY block that is running is not cut off.
function Run:abandon_requests()
  local numbers = {}
  for number, request in pairs(self.requests) do
    local branch = request.awaited and self.branches[request.branch]
    local site = branch and branch.site and self.program.sites[branch.site]
    if not (site and site.finishing) then numbers[#numbers + 1] = number end
  end
  table.sort(numbers)
  for _, number in ipairs(numbers) do
    local request = self.requests[number]
    self.requests[number] = nil
    self.request_total = self.request_total - 1
    self.outbox[#self.outbox + 1] = { effect = "abandon", request = request }
  end
end

-- What is left of a branch that was cancelled where no FINALLY is.
local ENDED = { fn = function() return "cancelled" end, names = {} }

--- Cancels a branch, wherever it stands: its FINALLY blocks run, then it ends. One
--- whose children are alive is cancelled after them; a FINALLY that runs is not cut off.
function Run:cancel_branch(branch)
  if branch.children and branch.children.live > 0 then
    branch.children.closed = true
    return
  end
  local site = self.program.sites[branch.site or 0]
  if site and site.finishing then
    branch.frame[site.finishing.key] = site.finishing.exit
    return
  end
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
  if how.timer then self.clock:cancel(how.timer) end
  self:abandon_requests()
  for _, branch in pairs(self.branches) do
    if branch.wait then self:forget_wait(branch) end
  end
  self.branches, self.ready, self.ready_first, self.ready_last, self.awake = {}, {}, 1, 0, false
  self.status, self.result, self.error = how.status, how.result, how.error
  self.duration = math.floor(math.max(0, self.clock:now() - self.started) * 1e6 + 0.5) / 1e6
  self:publish("run:" .. how.status, {
    result = how.result, error = how.error and failure.to_value(how.error), reason = how.reason, duration = self.duration,
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

--- A clock reading: later than the run's last by 1 µs at least.
function Run:now()
  local now = self.clock:now()
  if now < self.read_at + 1e-6 then now = self.read_at + 1e-6 end
  self.read_at = now
  return now
end

function Run:elapsed(since)
  return self:now() - (since or self.started)
end

--- A random number in [0, 1).
function Run:random()
  local number
  number, self.state = random.next(self.state)
  return number
end

local function too_many_steps(self)
  errors.raise("limit", ("more than %d loop turns without a wait"):format(self.max_steps),
    { uncatchable = true, hint = "wait in the loop, or raise --max-steps" })
end

--- Counts elements that a collection function looks at as loop turns.
function Run:charge(count)
  self.charged = self.charged + count
  if self.charged + self.granted - self.slice > self.max_steps then too_many_steps(self) end
end

--- Grants a loop its next turns.
---@return integer turns
function Run:more()
  if self.interrupted and self.interrupted() then
    errors.raise("cancelled", "interrupted", { uncatchable = true })
  end
  local left = self.max_steps - self.charged - self.granted
  if left <= 0 then too_many_steps(self) end
  local turns = math.min(left, SLICE)
  self.granted = self.granted + turns
  return turns - 1
end

-- Telling the world ------------------------------------------------------------------------------

--- Tells what happens: a record for whoever listens. `fields` are its further fields;
--- on the hot path they are made only when somebody does.
function Run:publish(kind, fields)
  self.seq = self.seq + 1
  if not self.listener then return end
  local record = fields
  if type(record.data) == "table" then record.data = value.copy(record.data) or "(nested too deep)" end
  record.seq, record.type, record.time, record.run_id = self.seq, kind, self.clock:now(), self.id
  if record.branch == nil and self.current then record.branch = self.current.label end
  self.outbox[#self.outbox + 1] = record
end

function Run:emit(site, name, data)
  events.raise(self, self.current, site, name, data)
end

function Run:track(_, data)
  self:publish("track", { data = value.copy(data) })
end

function Run:phase(text)
  self:publish("phase", { text = text })
end

return M
