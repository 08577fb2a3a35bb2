-- The runtime: drives runs and stands between them and the world. Each turn it
-- resumes what is ready, then performs what the runs left in their outboxes
-- (calls, records), then fires what is due and lets the loop wait. Nothing is
-- global: a process may have several.

local agents = require "orchlua.agents"
local builtin_functions = require "orchlua.functions"
local call = require "orchlua.run.call"
local clock = require "orchlua.clock"
local config = require "orchlua.config"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local operators = require "orchlua.run.operators"
local queue = require "orchlua.agents.queue"
local random = require "orchlua.random"
local runs = require "orchlua.run"
local store = require "orchlua.store.memory"
local subrun = require "orchlua.run.subrun"
local task = require "orchlua.task"

local value = core.value

local M = {}

-- How often ready runs are driven before the loop has its turn.
local ROUNDS_AT_ONCE = 64

---@class orchlua.Runtime
local Runtime = {}
Runtime.__index = Runtime

local option_names = {
  store = true, config = true, virtual_time = true, seed = true, max_steps = true, on_record = true, on_call = true, interrupted = true,
  compile_file = true,
}

local function checked_config(given)
  if given == nil then return config.default() end
  if getmetatable(given) or given.defaults and given.folder then return given end
  local checked, err = config.check(given, ".", "config")
  if not checked then error(err.message, 3) end
  return checked
end

--- Makes a runtime.
---@param options? { store: string?, config: table?, virtual_time: boolean?, seed: integer?, max_steps: integer?,
---  on_record: fun(record)?, on_call: fun(what, call, err)?, interrupted: (fun(): boolean)?,
---  compile_file: (fun(folder: string, file: string, config: table): orchlua.Program?, orchlua.Error?)? }
---@return orchlua.Runtime
function M.new(options)
  options = options or {}
  for name in pairs(options) do
    if not option_names[name] then error(("orchlua.runtime has no option `%s`"):format(tostring(name)), 3) end
  end
  if options.store and options.store ~= ":memory:" then
    error("this release keeps runs in memory only: store is \":memory:\"", 3)
  end
  local loop = core.loop.new()
  local self = setmetatable({
    loop_handle = loop, options = options, tasks = task.new(), store = store.new(), runs = {}, order = {}, alive = 0,
    clock = options.virtual_time and clock.virtual() or clock.real(loop, core.loop.clock),
    outside = clock.real(loop, core.loop.clock), in_flight = {}, config = checked_config(options.config), queues = {}, calls = {}, awake = {}, driven = {},
    seed = options.seed or (options.virtual_time and 0 or random.seed()),
  }, Runtime)
  self.jitter_state = self.seed
  self.watched = options.on_call
  self.agents = agents.new(self.config, loop)
  self:user_functions()
  return self
end

-- Functions of the configuration: called with plain values, answering with one.
function Runtime:user_functions()
  self.functions = { GENERATE_TASKS = builtin_functions.GENERATE_TASKS.fn }
  for name, fn in pairs(self.config.functions) do
    self.functions[name] = function(_, ...)
      local result, message = value.from_lua(fn(...))
      if result == nil then errors.raise("type", ("%s gave no value: %s"):format(name, message)) end
      return result
    end
  end
end

--- The functions a program may call here: the built-in ones and the configuration's.
---@param checked table   a checked configuration
---@return table<string, table>
function M.signatures(checked)
  local signatures = {}
  for name, signature in pairs(builtin_functions) do signatures[name] = signature end
  for name in pairs(checked and checked.functions or {}) do
    local known = builtin_functions[name]
    signatures[name] = { min = known and known.min or 0, max = known and known.max or math.huge, user = true }
  end
  return signatures
end

-- Runs -------------------------------------------------------------------------

local function check_inputs(program, given)
  local inputs, declared = value.object {}, {}
  for _, input in ipairs(program.inputs) do declared[input.name] = input end
  local names = {}
  for name in pairs(given or {}) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    if not declared[name] then return nil, errors.new("input", ("the program declares no input `%s`"):format(name)) end
    local converted, message = value.from_lua(given[name])
    if converted == nil then return nil, errors.new("input", ("input `%s` is no value: %s"):format(name, message)) end
    operators.set_field(inputs, name, converted)
  end
  for _, input in ipairs(program.inputs) do
    if input.required and inputs[input.name] == nil then
      return nil, errors.new("input", ("the program needs the input `%s`"):format(input.name), { hint = ("--input %s=…"):format(input.name) })
    end
  end
  return inputs
end

local function unique_id(self)
  local id
  repeat
    id = ("%08x"):format(math.floor(self:jitter() * 0x100000000))
  until not self.runs[id]
  return id
end

--- Starts a run of a program; it goes on in `loop`.
---@param program orchlua.Program
---@param options? { input: table?, run_id: string?, folder: string?, path: table? }
---@return orchlua.Run? run, orchlua.Error? err
function Runtime:start(program, options)
  options = options or {}
  local inputs, err = check_inputs(program, options.input)
  if not inputs then return nil, err end
  local id = options.run_id or (self.clock.virtual and "seed-" .. self.seed or unique_id(self))
  if self.runs[id] then return nil, errors.new("run", ("a run of the id `%s` exists"):format(id)) end
  program:link(operators)
  local run = runs.new {
    id = id, program = program, inputs = inputs, seed = self:run_seed(), clock = self.clock, config = options.policy or self.config,
    store = self.store, functions = self.functions, max_steps = self.options.max_steps, listener = self.options.on_record,
    event_handler = function(name) return self.agents:handler(name) end, interrupted = self.options.interrupted,
  }
  run.folder, run.path = options.folder or program.folder or ".", options.path
  run.on_row = function(touched) self:touch(touched) end
  self.runs[id] = run
  self.order[#self.order + 1] = run
  self.alive = self.alive + 1
  run:start()
  self:touch(run)
  return run
end

-- With a seed every run has its own, so that two in one process differ.
function Runtime:run_seed()
  if not self.options.seed and not self.clock.virtual then return random.seed() end
  self.seeded = (self.seeded or 0) + 1
  return self.seed + (self.seeded - 1) * 7919
end

--- A random number in [0, 1) that is no run's: for pauses between tries.
function Runtime:jitter()
  local number
  number, self.jitter_state = random.next(self.jitter_state)
  return number
end

--- Puts a run among those to be driven.
function Runtime:touch(run)
  if not run.touched then
    run.touched = true
    self.awake[#self.awake + 1] = run
  end
end

-- Effects -----------------------------------------------------------------------

--- The queue of an agent: one for each entry of the configuration.
function Runtime:queue(agent)
  local found = self.queues[agent]
  if not found then
    found = queue.new(agent.concurrency or self.config.defaults.concurrency, agent.name)
    self.queues[agent] = found
  end
  return found
end

--- The clock that a call's time-outs are kept on: virtual time stands still while
--- a call outside the process is in flight, so that one times out in real seconds.
function Runtime:clock_for(agent)
  return agent.in_process and self.clock or self.outside
end

--- Tells whoever watches (the live view) what becomes of a call.
function Runtime:notice(watched, what, err)
  self.watched(what, watched, err)
end

local effects = {}

-- In virtual time the answers from outside the process come in the order in which
-- the calls were sent, so that a run is the same every time.
local function deliver_in_order(self)
  local queue_of_calls = self.in_flight
  while queue_of_calls[1] and queue_of_calls[1].outcome do
    local first = table.remove(queue_of_calls, 1)
    self.clock:release()
    first.run:deliver(first.outcome)
  end
end

local function call_ended(ended, outcome)
  local self = ended.runtime
  self.calls[ended.request] = nil
  if self.watched then self:notice(ended, "end", outcome.error) end
  if not ended.ordered then return ended.run:deliver(outcome) end
  outcome.duration, ended.outcome = 0, outcome
  deliver_in_order(self)
end

function effects.request(self, run, request)
  if request.kind == "run" then return subrun.start(self, run, request) end
  local started = call.start(self, run, request, run.path, call_ended)
  if started.ended then return end
  self.calls[request] = started
  if self.clock.virtual and not started.agent.in_process then
    started.ordered = true
    self.clock:hold()
    self.in_flight[#self.in_flight + 1] = started
  end
end

function effects.abandon(self, _, effect)
  local started = self.calls[effect.request]
  self.calls[effect.request] = nil
  if started then
    if self.watched then self:notice(started, "end") end
    if started.ordered then
      started.outcome = { kind = "reply", request = effect.request.number }
      deliver_in_order(self)
    end
    started:abandon()
  end
end

function effects.record(self, _, record)
  self.options.on_record(record)
end

-- Takes a run's outbox in order; what is put into it meanwhile comes last.
local function perform(self, run)
  local outbox = run.outbox
  if #outbox == 0 then return end
  run.outbox, run.outbox_taken = run.outbox_taken or {}, outbox
  for i = 1, #outbox do
    local effect = outbox[i]
    outbox[i] = nil
    effects[effect.effect or "record"](self, run, effect)
  end
  return perform(self, run)
end

-- The loop -------------------------------------------------------------------------

local function ended(self, run)
  if run.accounted then return end
  run.accounted = true
  self.alive = self.alive - 1
  if run.on_end then run.on_end(run) end
end

-- Drives the runs that are ready, a bounded number of rounds; tells whether there were any.
local function drive_ready(self)
  for round = 1, ROUNDS_AT_ONCE do
    local awake = self.awake
    if #awake == 0 then return round > 1 end
    self.awake, self.driven = self.driven, awake
    for i = 1, #awake do
      local run = awake[i]
      awake[i] = nil
      run.touched = false
      run:drive()
      perform(self, run)
      if run.status ~= "running" then
        ended(self, run)
      elseif run.awake then
        self:touch(run)
      end
    end
  end
  return true
end

local function all_parked(self)
  for _, run in ipairs(self.order) do
    if run.status == "running" and not run:parked() then return false end
  end
  return true
end

-- Seconds that the loop waits at most before it looks again: a timer may be due in 1e300.
local LONGEST_TURN = 86400

-- How long the loop may wait: not at all while a run is ready; nil when nothing is due.
local function patience(self)
  if #self.awake > 0 then return 0 end
  local seconds, outside = self.clock:next() or math.huge, self.outside:next() or math.huge
  local least = math.min(seconds, outside)
  return least < math.huge and math.min(least, LONGEST_TURN) or nil
end

--- One turn: runs, effects, timers, the world.
---@return boolean more   whether anything is left that can happen
function Runtime:turn()
  local worked = drive_ready(self)
  worked = self.outside:fire() or worked
  worked = #self.awake == 0 and self.clock:fire() or worked
  if self.alive == 0 then return false end
  local seconds = worked and 0 or patience(self)
  local active = self.loop_handle:turn(seconds)
  return active or seconds ~= nil or #self.awake > 0
end

--- Goes on until every run has ended. With `until_parked`, also returns when all
--- that is left only waits for timers or signals; with `stop`, when it says so.
---@param options? { until_parked: boolean?, stop: (fun(): boolean)? }
function Runtime:loop(options)
  options = options or {}
  while self.alive > 0 do
    drive_ready(self)
    if options.stop and options.stop() then return end
    if self.alive == 0 then return end
    if options.until_parked and #self.awake == 0 and all_parked(self) then return end
    if not self:turn() and self.alive > 0 and #self.awake == 0 then return end
  end
end

-- From outside ------------------------------------------------------------------------

local function running(self, id)
  local run = self.runs[id]
  if not run then return nil, errors.new("run", ("there is no run `%s`"):format(id)) end
  if run.status ~= "running" then return nil, errors.new("run", ("the run `%s` has ended: %s"):format(id, run.status)) end
  return run
end

--- Hands a run a signal.
---@param id string
---@param name string
---@param signalled any   a plain value
---@return boolean? ok, orchlua.Error? err
function Runtime:signal(id, name, signalled)
  local run, err = running(self, id)
  if not run then return nil, err end
  local converted, message = value.from_lua(signalled)
  if converted == nil then return nil, errors.new("signal", "the signal's value is no value: " .. message) end
  run:deliver { kind = "signal", name = name, value = converted }
  return true
end

--- Cancels a run: its FINALLY blocks run, then it ends.
---@return boolean? ok, orchlua.Error? err
function Runtime:cancel(id, reason)
  local run, err = running(self, id)
  if not run then return nil, err end
  run:deliver { kind = "cancel", reason = reason }
  return true
end

--- Asks an agent from inside an agent or a handler: waits for its answer.
---@param context table   the call this is made inside
---@return any answer, orchlua.Error? err
function Runtime:ask(context, agent_id, prompt)
  local co, outcome = coroutine.running(), nil
  local path = setmetatable({}, { __index = context.path })
  if context.agent then path[context.agent.name] = true end
  context.asked = (context.asked or 0) + 1
  local request = {
    kind = "agent", agent_id = agent_id, prompt = prompt, data = value.object {}, key = ("%s/%d"):format(context.request.key, context.asked), options = {},
  }
  local waiting = false
  local asked = call.start(self, context.run, request, path, function(_, how)
    outcome = how
    if waiting then self.loop_handle:resume(co) end
  end)
  if not outcome then
    waiting = true
    local guard <close> = setmetatable({}, { __close = function() asked:abandon() end })
    coroutine.yield(guard)
  end
  if outcome.error then return nil, outcome.error end
  return outcome.value
end

--- Waits inside an agent or a handler, on the runtime's clock.
function Runtime:sleep(seconds)
  local co = coroutine.running()
  local due <close> = setmetatable({ due = self.clock:after(seconds, clock.REPLY, function() self.loop_handle:resume(co) end) },
    { __close = function(held) self.clock:cancel(held.due) end })
  coroutine.yield(due)
end

--- Ends everything: calls in flight, then the loop. May be called twice.
function Runtime:close()
  for _, started in pairs(self.calls) do
    if started.abandon then started:abandon() end
  end
  self.calls = {}
  self.loop_handle:close()
end

return M
