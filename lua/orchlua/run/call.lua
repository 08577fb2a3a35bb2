-- A request on its way: the agent's queue, then tries with pauses between them,
-- until one answers or the time is over. It belongs to the process, not to the
-- run: after a crash it starts afresh from the request. `done(call, value, err)` is called
-- once, with the answer, or nil and an error.

local clock = require "orchlua.clock"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local exec = require "orchlua.agents.exec"
local queue = require "orchlua.agents.queue"
local task = require "orchlua.task"

local M = {}

---@class orchlua.Call
local Call = {}
Call.__index = Call

-- Pauses between tries: exponential with full jitter, in seconds.
local FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30

local NOWHERE = {}

-- An agent has one queue for all who ask it.
local function new_queue(runtime, agent)
  local made = queue.new(agent.concurrency or runtime.config.defaults.concurrency, agent.name)
  runtime.queues[agent] = made
  return made
end

--- The clock that this call's time-outs are kept on.
function Call:clock()
  return self.runtime:clock_for(self.agent)
end

-- What is due for this call: `deadline`, `try`, `pause`, `latency`.
local function after(self, name, seconds, class, action)
  local timers = self.timers or {}
  self.timers = timers
  timers[name] = self:clock():after(seconds, class, function()
    timers[name] = nil
    action(self)
  end)
end

local function cancel(self, name)
  local due = self.timers and self.timers[name]
  if due then
    self:clock():cancel(due)
    self.timers[name] = nil
  end
end

local function end_timers(self)
  for _, due in pairs(self.timers) do self:clock():cancel(due) end
  self.timers = nil
end

local function finish(self, value, err)
  if self.ended then return end
  self.ended = true
  if self.timers then end_timers(self) end
  if self.task then self:end_try() end
  if self.queued then self.queue:leave(self) end
  self.done(self, value, err)
end

--- Seconds since a call left its agent's queue, and the time now.
---@param self orchlua.Call
function M.elapsed(self)
  local now, started = self.runtime.clock:now(), self.started
  return started and now > started and now - started or 0, now
end

--- Ends the try in flight, if there is one: what it waits for is ended too.
function Call:end_try()
  local co = self.task
  self.task = nil
  if co then task.stop(co) end
end

local function timed_out(self, seconds, what)
  local wrote = self.told and self.told.stderr and exec.ending(self.told.stderr) or ""
  return errors.new("timeout", ("`%s` gave no answer in %s s%s%s"):format(
    self.request.agent_id, core.value.number_text(seconds), what or "", wrote), { retryable = true })
end

local function pause_before_next(self, err)
  local most = math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ^ (self.attempt - self.before - 1))
  return math.max(self.runtime:jitter() * most, err.retry_after or 0)
end

-- Transport errors and timed-out tries are tried again by default; an agent's own
-- failure only when somebody said `retries`.
local function may_retry(self, err)
  local given = self.request.options.retries
  local said = given ~= nil or self.agent.retries_given or false
  local most = given or self.agent.retries or self.runtime.config.defaults.retries
  if self.attempt - self.before > most or err.retryable == false and not said then return false end
  return err.retryable or err.type == "transport" or said
end

-- A run is told before a request of its own is sent again.
local function next_try(self)
  if not self.request.number then return self:try() end
  self.run:deliver { kind = "try", request = self.request.number, attempt = self.attempt + 1 }
end

local function try_failed(self, err)
  if not may_retry(self, err) then return finish(self, nil, err) end
  if self.runtime.watched then self.runtime:notice(self, "retry", err) end
  after(self, "pause", pause_before_next(self, err), clock.TIMER, next_try)
end

-- What an agent raised, as an error: a `{type, message}` table is one nearly.
local function raised_by_agent(raised)
  if errors.is(raised) then return raised end
  if type(raised) ~= "table" then return errors.new("agent", tostring(raised), { retryable = false }) end
  local message = type(raised.message) == "string" and raised.message or "it raised a table without a message"
  return errors.new(type(raised.type) == "string" and raised.type or "agent", message, { retryable = false })
end

local function tried(self, ok, result)
  self.running = false
  if self.ended then return end
  self.task = nil
  if ok then return finish(self, result) end
  cancel(self, "try")
  try_failed(self, raised_by_agent(result))
end

-- What the agent is told, as the configuration's page has it.
local function told(self, request, agent)
  local key, options = request.key, request.options
  return {
    agent_id = request.agent_id, prompt = request.prompt, data = request.data, run_id = self.run_id, request_id = key,
    idempotency_key = options.key or key, attempt = self.attempt, timeout = options.timeout or agent.timeout,
  }
end

local function start_task(self)
  local agent, request, tasks = self.agent, self.request, self.runtime.tasks
  local asked = told(self, request, agent)
  local co
  self.told, self.running = asked, true
  if agent.kind == "lua" and request.kind == "event" then
    co = task.start(tasks, self, agent.call, request.data, asked, tried)
  else
    co = task.start(tasks, self, agent.call, asked, nil, tried)
  end
  if self.running then self.task = co end
end

local function try_timed_out(self)
  cancel(self, "latency")
  self:end_try()
  try_failed(self, timed_out(self, self:seconds "try_timeout", " (one try)"))
end

--- Makes one try.
local function try(self)
  self.attempt = self.attempt + 1
  local agent = self.agent
  local try_timeout = self.request.options.try_timeout or agent.try_timeout
  if try_timeout then after(self, "try", try_timeout, clock.TIMER, try_timed_out) end
  if not agent.latency then return start_task(self) end
  after(self, "latency", agent.latency, clock.REPLY, start_task)
end
Call.try = try

--- A time-out of this call: what the event says, else the agent.
function Call:seconds(name)
  return self.request.options[name] or self.agent[name]
end

local function too_late(self)
  self:end_try()
  finish(self, nil, timed_out(self, self:seconds "timeout"))
end

-- Leaves the agent's queue: the time runs from here.
local function admitted(self)
  local runtime = self.runtime
  self.started = runtime.clock:now()
  if runtime.watched then runtime:notice(self, "start") end
  try(self)
  if not self.ended then after(self, "deadline", self:seconds "timeout", clock.TIMER, too_late) end
end

--- Ends the call without an answer.
function Call:abandon()
  if self.ended then return end
  self.done = function() end
  finish(self)
end

local function new_call(runtime)
  return setmetatable({
    runtime = runtime, run = nil, run_id = nil, request = nil, agent = nil, queue = nil, done = nil, attempt = 0, before = 0, path = NOWHERE,
    started = false, ended = false, running = false, queued = false, task = nil, timers = nil, told = nil,
  }, Call)
end

--- Starts a call. One that is answered before this returns, as most agents in Lua do, leaves
--- its table to the next.
---@param runtime table
---@param run orchlua.Run
---@param request table
---@param path? table   the agents whose calls this one is made inside
---@param done fun(call: orchlua.Call, value: any, err: orchlua.Error?)
---@return orchlua.Call
function M.start(runtime, run, request, path, done)
  local self, before = runtime.spare_call or new_call(runtime), request.attempt - 1
  runtime.spare_call = false
  self.run, self.run_id, self.request, self.done, self.path = run, run.id, request, done, path or NOWHERE
  self.attempt, self.before, self.started, self.ended, self.asked = before, before, false, false, nil
  local agent, err
  if request.kind == "agent" then agent, err = runtime.agents:find(request.agent_id) else agent = runtime.agents:handler(request.agent_id) end
  self.agent = agent
  if agent then
    self.queue = runtime.queues[agent] or new_queue(runtime, agent)
    self.queue:enter(self, admitted, path)
  else
    finish(self, nil, err)
  end
  if self.ended and not self.running and not runtime.watched then runtime.spare_call = self end
  return self
end

return M
