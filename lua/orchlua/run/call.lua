-- A request on its way: the agent's queue, then tries with pauses between them,
-- until one answers or the time is over. It belongs to the process, not to the
-- run: after a crash it starts afresh from the request. `done(call, value, err)` is called
-- once, with the answer, or nil and an error.

local clock = require "orchlua.clock"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local exec = require "orchlua.agents.exec"
local task = require "orchlua.task"

local M = {}

---@class orchlua.Call
local Call = {}
Call.__index = Call

-- Pauses between tries: exponential with full jitter, in seconds.
local FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30

local NOWHERE = {}

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
  if self.queue then self.queue:leave(self) end
  self.done(self, value, err)
end

--- Seconds since the call left its agent's queue, and the time now.
function Call:elapsed()
  local now = self.runtime.clock:now()
  return self.started and math.max(0, now - self.started) or 0, now
end

--- Ends the try in flight, if there is one: what it waits for is ended too.
function Call:end_try()
  local co = self.task
  self.task, self.running = nil, false
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
  if self.ended then return end
  self.task, self.running = nil, false
  if self.timers then cancel(self, "try") end
  if ok then return finish(self, result) end
  try_failed(self, raised_by_agent(result))
end

-- What the agent is told, as the configuration's page has it.
local function told(self)
  local request = self.request
  return {
    agent_id = request.agent_id, prompt = request.prompt, data = request.data, run_id = self.run.id, request_id = request.key,
    idempotency_key = request.options.key or request.key, attempt = self.attempt, timeout = self:seconds "timeout",
  }
end

local function start_task(self)
  local agent, tasks = self.agent, self.runtime.tasks
  local co
  self.running = true
  if self.request.kind == "event" and agent.kind == "lua" then
    co = tasks:start(self, agent.call, self.request.data, told(self), tried)
  else
    self.told = told(self)
    co = tasks:start(self, agent.call, self.told, nil, tried)
  end
  if self.running then self.task = co end
end

local function try_timed_out(self)
  cancel(self, "latency")
  self:end_try()
  try_failed(self, timed_out(self, self:seconds "try_timeout", " (one try)"))
end

--- Makes one try.
function Call:try()
  self.attempt = self.attempt + 1
  local agent = self.agent
  local try_timeout = self:seconds "try_timeout"
  if try_timeout then after(self, "try", try_timeout, clock.TIMER, try_timed_out) end
  if not agent.latency then return start_task(self) end
  after(self, "latency", agent.latency, clock.REPLY, start_task)
end

--- A time-out of this call: what the event says, else the agent, else the configuration.
function Call:seconds(name)
  return self.request.options[name] or self.agent[name] or self.runtime.config.defaults[name]
end

local function too_late(self)
  self:end_try()
  finish(self, nil, timed_out(self, self:seconds "timeout"))
end

-- Leaves the agent's queue: the time runs from here.
local function admitted(self)
  self.started = self.runtime.clock:now()
  if self.runtime.watched then self.runtime:notice(self, "start") end
  self:try()
  if not self.ended then after(self, "deadline", self:seconds "timeout", clock.TIMER, too_late) end
end

--- Ends the call without an answer.
function Call:abandon()
  if self.ended then return end
  self.done = function() end
  finish(self)
end

--- Starts a call.
---@param runtime table
---@param run orchlua.Run
---@param request table
---@param path? table   the agents whose calls this one is made inside
---@param done fun(call: orchlua.Call, value: any, err: orchlua.Error?)
---@return orchlua.Call
function M.start(runtime, run, request, path, done)
  local agent, err
  if request.kind == "agent" then agent, err = runtime.agents:find(request.agent_id) else agent = runtime.agents:handler(request.agent_id) end
  local before = request.attempt - 1
  local self = setmetatable({
    runtime = runtime, run = run, run_id = run.id, request = request, agent = agent, done = done, attempt = before, before = before,
    path = path or NOWHERE, started = false, ended = false, running = false, queue = false, queued = false, task = nil,
  }, Call)
  if not agent then
    finish(self, nil, err)
    return self
  end
  self.queue = runtime:queue(agent)
  self.queue:enter(self, admitted, self.path)
  return self
end

return M
