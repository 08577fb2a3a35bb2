-- A request on its way: the agent's queue, then tries with pauses between them,
-- until one answers or the time is over. It belongs to the process, not to the
-- run: after a crash it starts afresh from the request. `done(call, outcome)` is called
-- once, with the row `{kind = "reply", request, value | error, attempts, duration}`.

local clock = require "orchlua.clock"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local task = require "orchlua.task"

local M = {}

---@class orchlua.Call
local Call = {}
Call.__index = Call

-- Pauses between tries: exponential with full jitter, in seconds.
local FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30

local NOWHERE = {}

local function cancel(self, due)
  if due then self.runtime.clock:cancel(due) end
end

-- The outcome is the row that the run is told: what came of the request.
local function finish(self, outcome)
  if self.ended then return end
  self.ended = true
  cancel(self, self.deadline)
  cancel(self, self.try_due)
  cancel(self, self.pause)
  cancel(self, self.latency)
  if self.task or self.holds then self:end_try() end
  if self.queue then self.queue:leave(self) end
  outcome.kind, outcome.request, outcome.attempts = "reply", self.request.number, self.attempt
  outcome.duration = self.started and math.max(0, self.runtime.clock:now() - self.started) or 0
  self.done(self, outcome)
end

--- Ends the try in flight, if there is one: what it waits for is ended too.
function Call:end_try()
  local co = self.task
  self.task, self.running = nil, false
  if self.holds then
    self.holds = false
    self.runtime.clock:release()
  end
  if co then task.stop(co) end
end

local function timed_out(self, seconds, what)
  return errors.new("timeout", ("`%s` gave no answer in %s s%s"):format(self.request.agent_id, core.value.number_text(seconds), what or ""),
    { retryable = true })
end

local function pause_before_next(self, err)
  local most = math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ^ (self.attempt - 1))
  return math.max(self.runtime:jitter() * most, err.retry_after or 0)
end

-- Transport errors and timed-out tries are tried again by default; an agent's own
-- failure only when somebody said `retries`.
local function may_retry(self, err)
  if self.attempt > self.retries or err.retryable == false and not self.retries_given then return false end
  return err.retryable or err.type == "transport" or self.retries_given
end

local function try_failed(self, err)
  if not may_retry(self, err) then return finish(self, { error = err }) end
  if self.runtime.watched then self.runtime:notice(self, "retry", err) end
  self.pause = self.runtime.clock:after(pause_before_next(self, err), clock.TIMER, function()
    self.pause = nil
    self:try()
  end)
end

local function tried(self, ok, result)
  if self.ended then return end
  self.task, self.running = nil, false
  if self.holds then self:end_try() end
  if self.try_due then
    self.runtime.clock:cancel(self.try_due)
    self.try_due = nil
  end
  if ok then return finish(self, { value = result }) end
  try_failed(self, errors.is(result) and result or errors.new("agent", tostring(result), { retryable = false }))
end

-- What the agent is told, as the configuration's page has it.
local function told(self)
  local request = self.request
  return {
    agent_id = request.agent_id, prompt = request.prompt, data = request.data, run_id = self.run.id, request_id = request.key,
    idempotency_key = request.key, attempt = self.attempt, timeout = self.timeout,
  }
end

local function start_task(self)
  local agent, tasks, co = self.agent, self.runtime.tasks, nil
  self.running = true
  if self.request.kind == "event" and agent.kind == "lua" then
    co = tasks:start(self, agent.call, self.request.data, told(self), tried)
  else
    co = tasks:start(self, agent.call, told(self), nil, tried)
  end
  if self.running then self.task = co end
end

--- Makes one try.
function Call:try()
  self.attempt = self.attempt + 1
  local agent = self.agent
  if not agent.in_process then
    self.holds = true
    self.runtime.clock:hold()
  end
  if self.try_timeout then
    self.try_due = self.runtime.clock:after(self.try_timeout, clock.TIMER, function()
      self.try_due = nil
      cancel(self, self.latency)
      self:end_try()
      try_failed(self, timed_out(self, self.try_timeout, " (one try)"))
    end)
  end
  if not agent.latency then return start_task(self) end
  self.latency = self.runtime.clock:after(agent.latency, clock.REPLY, function()
    self.latency = nil
    start_task(self)
  end)
end

-- Leaves the agent's queue: the time runs from here.
local function admitted(self)
  self.started = self.runtime.clock:now()
  if self.runtime.watched then self.runtime:notice(self, "start") end
  self:try()
  if not self.ended then
    self.deadline = self.runtime.clock:after(self.timeout, clock.TIMER, function()
      finish(self, { error = timed_out(self, self.timeout) })
    end)
  end
end

--- Ends the call without an answer.
function Call:abandon()
  if self.ended then return end
  self.done = function() end
  finish(self, {})
end

local function settings(self)
  local request, agent, defaults = self.request, self.agent, self.runtime.config.defaults
  self.timeout = request.timeout or agent.timeout or defaults.timeout
  self.try_timeout = request.try_timeout or agent.try_timeout
  self.retries_given = request.retries ~= nil or agent.retries_given or false
  self.retries = request.retries or agent.retries or defaults.retries
end

--- Starts a call.
---@param runtime table
---@param run orchlua.Run
---@param request table
---@param path? table   the agents whose calls this one is made inside
---@param done fun(call: orchlua.Call, outcome: table)
---@return orchlua.Call
function M.start(runtime, run, request, path, done)
  local self = setmetatable({ runtime = runtime, run = run, request = request, attempt = 0, done = done, path = path or NOWHERE, run_id = run.id }, Call)
  local agent, err = request.handler, nil
  if request.kind == "agent" then agent, err = runtime.agents:find(request.agent_id) end
  if not agent then
    finish(self, { error = err })
    return self
  end
  self.agent = agent
  settings(self)
  self.queue = runtime:queue(agent)
  self.queue:enter(self, admitted, self.path)
  return self
end

return M
