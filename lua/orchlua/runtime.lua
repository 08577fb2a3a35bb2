-- The runtime: has runs and stands between them and the world. They are started or resumed here,
-- driven by the loop in `turn`, and what they leave in their outboxes (calls, records) is performed
-- by `effects`, when the journal has committed it. Runs in memory have no journal. Nothing is
-- global: a process may have several.

local agents = require "orchlua.agents"
local budget = require "orchlua.run.budget"
local builtin_functions = require "orchlua.functions"
local ceiling = require "orchlua.run.ceiling"
local clock = require "orchlua.clock"
local collector = require "orchlua.collector"
local config = require "orchlua.config"
local core = require "orchlua.core"
local effects = require "orchlua.effects"
local errors = require "orchlua.error"
local flow = require "orchlua.run.flow"
local inside = require "orchlua.inside"
local journal = require "orchlua.journal"
local limits = require "orchlua.run.limits"
local messages = require "orchlua.messages"
local operators = require "orchlua.run.operators"
local pace = require "orchlua.agents.pace"
local parking = require "orchlua.parking"
local policy = require "orchlua.policy"
local random = require "orchlua.random"
local resume = require "orchlua.resume"
local runs = require "orchlua.run"
local sqlite = require "orchlua.store.sqlite"
local start = require "orchlua.start"
local subrun = require "orchlua.run.subrun"
local task = require "orchlua.task"
local turn = require "orchlua.turn"

local value = core.value

local M = {}

---@class orchlua.Runtime
local Runtime = {}
Runtime.__index = Runtime

local option_names = {
  store = true, config = true, virtual_time = true, seed = true, max_steps = true, max_memory = true, on_record = true, on_call = true, interrupted = true,
  compile_file = true, durability = true, record = true, record_more = true, replay = true, brief = true,
}

local function checked_config(given)
  if given and (getmetatable(given) or given.defaults and given.folder) then return given end
  local checked, err
  if given == nil then checked, err = config.default() else checked, err = config.check(given, ".", "config") end
  if not checked then error(err.message, 3) end
  return checked
end

local function new_clock(options, loop)
  return options.virtual_time and clock.virtual() or clock.real(loop, core.loop.clock)
end

local function new_runtime(options, loop)
  return setmetatable({
    loop_handle = loop, options = options, tasks = task.new(), runs = {}, alive = 0, clock = new_clock(options, loop),
    outside = clock.real(loop, core.loop.clock), in_flight = {}, config = checked_config(options.config), queues = {}, calls = {}, awake = {}, driven = {},
    pace = pace.new(loop), settings = {}, spare_call = false,
    recorder = false, watched = false, at_work = false, closing = false, collector = collector.new(), seen_messages = {},
    seed = options.seed or (options.virtual_time and 0 or random.seed()),
  }, Runtime)
end

-- Puts a run among those to be driven.
local function toucher(self)
  return function(run)
    if run.touched then return end
    local awake = self.awake
    run.touched = true
    awake[#awake + 1] = run
  end
end

-- Opens the store; with a file behind it, runs have a journal.
local function open_store(self, path)
  if not path or path == ":memory:" then
    self.store = require("orchlua.store.memory").new()
    return
  end
  if self.clock.virtual then return errors.new("store", "virtual time is for runs in memory: leave out the store") end
  local opened, err = sqlite.open(self.loop_handle, path, { relaxed = self.options.durability == "relaxed", retention = self.config.retention })
  if not opened then return err end
  self.store = opened
  self.journal = journal.new(opened, {
    perform = function(run, wanted) self:perform(run, wanted) end,
    stop = function(run, problem) self:stop(run, problem) end,
    ended = function(run) self:ended(run) end,
    late = function() self.parking:recount() end,
  })
  self.parking = parking.new(self)
  turn.set_times(self)
end

-- The agents of the configuration, or a recording that stands in for them.
local function find_agents(self, options)
  local err
  self.agents = agents.new(self.config, self.loop_handle)
  local recording = (options.replay or options.record) and require "orchlua.recording"
  if options.replay then
    self.agents, err = recording.replay(options.replay, self.agents)
    if err then return err end
  end
  if options.record then self.recorder, err = recording.recorder(options.record, options.record_more) end
  return err
end

-- Closes a loop that no runtime has come of.
local Owner = {}

function Owner:__close()
  if self.loop then self.loop:close() end
end

--- Makes a runtime.
---@param options? { store: string?, config: table?, virtual_time: boolean?, seed: integer?, max_steps: integer?, max_memory: integer?,
---  durability: "full"|"relaxed"|nil,
---  record: string?, record_more: boolean?, replay: string?, brief: boolean?,
---  on_record: fun(record)?, on_call: fun(what, call, err)?, interrupted: (fun(): boolean)?,
---  compile_file: (fun(folder: string, file: string, config: table): orchlua.Program?, orchlua.Error?)? }
---  `brief`: records of replies are without what was answered; `record`: a file that keeps each reply, a new one unless `record_more`;
---  `replay`: one to answer from, instead of the agents;
---  `store`: a path, or `:memory:` (the default), which forgets all when the process ends
---@return orchlua.Runtime? runtime
---@return orchlua.Error? err   when the store cannot be opened
function M.new(options)
  options = options or {}
  for name in pairs(options) do
    if not option_names[name] then error(("orchlua.runtime has no option `%s`"):format(tostring(name)), 3) end
  end
  local loop, broken = core.loop.new()
  if not loop then return nil, errors.new("system", broken.message) end
  local owner <close> = setmetatable({ loop = loop }, Owner)
  local self = new_runtime(options, loop)
  self.jitter_state = self.seed
  self.watched, self.touch = options.on_call or false, toucher(self)
  local err = open_store(self, options.store) or find_agents(self, options)
  if err then return nil, err end
  self:user_functions()
  owner.loop = nil
  return self
end

-- What a function of the configuration gives: once, since it may give something else
-- the next time. In the journal an answer is a list of one, an error its message.
local function recorded(run, name, fn, ...)
  local arguments = table.pack(...)
  local heard = run:learned(function()
    local ok, result = pcall(fn, table.unpack(arguments, 1, arguments.n))
    if not ok then return errors.is(result) and result.message or value.utf8(tostring(result)) end
    local converted, message = value.from_lua(result)
    if converted == nil then return ("%s gave no value: %s"):format(name, message) end
    if run.keeps and limits.beyond_row(run.limits, converted) then return value.null end
    return value.array { converted }
  end)
  if type(heard) == "string" then errors.raise("type", heard) end
  if heard == value.null then error(limits.reached("row", ("%s gave a value larger than %s"):format(name, limits.size(run.limits.row))), 0) end
  return heard[1]
end

-- Functions of the configuration: called with plain values, answering with one.
function Runtime:user_functions()
  self.functions = { GENERATE_TASKS = builtin_functions.GENERATE_TASKS.fn }
  for name, fn in pairs(self.config.functions) do
    self.functions[name] = function(run, ...) return recorded(run, name, fn, ...) end
  end
end

-- Runs -------------------------------------------------------------------------

local function taken(self, id)
  return self.runs[id] ~= nil or self.journal ~= nil and self.store:exists(id)
end

local function unique_id(self)
  local id
  repeat
    id = ("%08x"):format(math.floor(self:jitter() * 0x100000000))
  until not taken(self, id)
  return id
end

-- What becomes of what runs want done: it is performed at once, or when it is durable.
local function at_rest(self)
  if not self.journal then return effects.performer(self) end
  return function(run, row) self.journal:at_rest(run, row) end
end

-- Where a run is at home: runs of one folder that no front matter narrows have it in common.
local function setting_of(self, folder, fronts)
  local known = self.settings[folder]
  if known and not fronts[1] then return known end
  local setting = { folder = folder, fronts = fronts, config = policy.narrow_all(self.config, fronts) }
  if not fronts[1] then self.settings[folder] = setting end
  return setting
end

--- Makes a run that is not started: `resume` fills it with what it was.
function Runtime:new_run(id, program, inputs, options)
  program:link(operators)
  local given = { steps = self.options.max_steps or options.max_steps, memory = self.options.max_memory or options.max_memory }
  self.run_kind = self.run_kind or runs.kind {
    clock = self.clock, ceiling = ceiling.new(), functions = self.functions, patterns = self.config.patterns,
    listener = self.options.on_record, brief = self.options.brief,
    event_handler = function(name) return self.agents:handler(name) end, find_agent = function(agent_id) return self.agents:find(agent_id) end,
    interrupted = self.options.interrupted, on_row = self.touch, at_rest = at_rest(self), keeps = self.journal ~= nil,
    ask_at_once = not (self.journal or self.recorder or self.watched or self.options.on_record) and effects.asker(self),
  }
  local run = runs.new(self.run_kind, {
    id = id, program = program, inputs = inputs, seed = options.seed, setting = setting_of(self, options.folder or ".", options.fronts or {}),
    limits = limits.of(self.config.limits, given),
  })
  if options.budget then budget.limit(run, "given", options.budget) end
  run.path, run.parent, run.depth = options.path, options.parent, options.depth
  return run
end

--- Puts a run among those of this runtime.
function Runtime:adopt(run)
  self.runs[run.id] = run
  self.alive = self.alive + 1
end

--- Starts a run of a program; it goes on in `loop`.
---@param program orchlua.Program
---@param options? { input: table?, run_id: string?, folder: string?, front: table?, fronts: table[]?, path: table?, parent: string?,
---  depth: integer?, budget: table? }
---  `front`: a literate file's front matter, which may narrow what the program may do; `fronts`: those of the runs it is part of; `budget`: what it may spend,
---  `{tokens, cost, calls, seconds}`
---@return orchlua.Run? run, orchlua.Error? err
function Runtime:start(program, options)
  options = options or {}
  start.check(program, options)
  if self.closed then error("rt:start: the runtime is closed", 2) end
  local inputs, err = start.inputs(program, options.input)
  if not inputs then return nil, err end
  local given, wrong = start.budget(options.budget)
  wrong = wrong or start.wrong_id(options.run_id)
  if wrong then return nil, wrong end
  local id = options.run_id or (self.clock.virtual and "seed-" .. self.seed or unique_id(self))
  if taken(self, id) then return nil, errors.new("run", ("a run of the id `%s` exists"):format(id)) end
  local how = {
    seed = self:run_seed(), folder = options.folder or program.folder or ".", fronts = start.fronts(program, options), path = options.path,
    parent = options.parent, depth = options.depth, max_steps = self.options.max_steps, max_memory = self.options.max_memory, budget = given,
  }
  local run = self:new_run(id, program, inputs, how)
  if self.journal then
    err = self.journal:create(run, { seed = how.seed, parent = how.parent, options = start.kept(self.config, how), created = self.clock:now() })
    if err then return nil, err end
  end
  self:adopt(run)
  run:start()
  self.touch(run)
  return run
end

--- Goes on with a run of the store: after a crash, a stop or a failure.
---@param id string
---@param options? { program: orchlua.Program?, budget: table? }   `program`: a corrected one that takes over; `budget`: in place
---  of the one that the run was given before
---@return orchlua.Run? run, orchlua.Error? err
function Runtime:resume(id, options)
  options = options or {}
  local given, wrong = start.budget(options.budget)
  if wrong then return nil, wrong end
  if not self.journal then return nil, errors.new("run", "runs in memory cannot be resumed: give the runtime a store") end
  local here = self.runs[id] or self.parking:wake(id)
  if here and not here.accounted then return nil, errors.new("run", ("the run `%s` is being driven here already"):format(id)) end
  local run, err = resume.run(self, id, { program = options.program, budget = given })
  if not run then return nil, err end
  self:take_messages()
  subrun.finish_left(self, run)
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

-- Calls -------------------------------------------------------------------------

--- The clock that a call's time-outs are kept on: virtual time stands still while
--- a call outside the process is in flight, so that one times out in real seconds.
function Runtime:clock_for(agent)
  return agent.in_process and self.clock or self.outside
end

--- Tells whoever watches (the live view) what becomes of a call.
function Runtime:notice(watched, what, err)
  self.watched(what, watched, err)
end

--- Tells whoever listens a piece of an answer that is still coming. It is no part of the run, and is kept nowhere.
---@param of orchlua.Call
---@param text string
function Runtime:piece(of, text)
  if self.options.on_record then
    self.options.on_record { type = "delta", time = self.clock:now(), run_id = of.run_id, request_id = of.request.key, agent_id = of.request.agent_id,
      attempt = of.attempt, text = text }
  end
  if self.watched then self:notice(of, "piece", text) end
end

--- Performs what runs want done.
Runtime.perform = effects.perform

--- What code inside an agent may wait for.
Runtime.ask, Runtime.sleep = inside.ask, inside.sleep

-- The loop -------------------------------------------------------------------------

--- Drives the runs, and lets the world in.
Runtime.turn, Runtime.loop = turn.turn, turn.loop

--- What runs are told from outside.
Runtime.signal, Runtime.cancel, Runtime.take_messages = messages.signal, messages.cancel, messages.take_messages

--- A run is no longer driven here. One that has ended is forgotten, so that a host may
--- start runs for years; one that was stopped is known, since it may be resumed.
function Runtime:ended(run)
  if run.accounted then return end
  run.accounted = true
  flow.leave(run)
  self.alive = self.alive - 1
  if run.status ~= "stopped" then self.runs[run.id] = nil end
  if run.on_end then run.on_end(run) end
end

--- A run cannot be driven any further: its last durable state stands.
function Runtime:stop(run, err)
  if run.accounted then return end
  run:stop(err)
  for request, started in pairs(self.calls) do
    if started.run == run then
      self.calls[request] = nil
      if started.child then self:stop(started.child, err) else started:abandon() end
    end
  end
  self:ended(run)
end

-- What has come to runs of a journal is taken in, so that it is kept.
local function take_in(self)
  for _, run in ipairs(self.awake) do
    while run ~= self.driving and not run.accounted and run.status == "running" and (run.awake or run:has_arrivals()) do run:drive() end
  end
end

--- Ends everything: calls in flight, then the loop. Runs that have not ended are let go:
--- what they learned is kept, and anybody may resume them. May be called twice; inside an
--- agent, a handler or `on_record` it takes place when the loop has been left, which it is soon.
function Runtime:close()
  if self.closed then return end
  if self.at_work then
    self.closing = true
    return
  end
  self.closed = true
  for _, started in pairs(self.calls) do
    if started.abandon and not started.child then started:abandon() end
  end
  self.calls = {}
  if self.recorder then self.recorder:close() end
  self.collector:close()
  for _, run in pairs(self.runs) do flow.leave(run) end
  if self.journal then
    if self.driving then self.journal:drop(self.driving) end
    take_in(self)
    self.journal:finish()
  end
  self.loop_handle:close()
end

Runtime.__close = Runtime.close

return M
