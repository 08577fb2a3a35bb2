-- A request on its way: the agent's queue, then tries with pauses between them,
-- until one answers or the time is over. It belongs to the process, not to the
-- run: after a crash it starts afresh from the request. `done(call, value, err)` is called
-- once, with the answer, or nil and an error.

local clock = require "orchlua.clock"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local queue = require "orchlua.agents.queue"
local reply = require "orchlua.run.reply"
local task = require "orchlua.task"

local next, setmetatable = next, setmetatable
local REPLY, TIMER = clock.REPLY, clock.TIMER

local M = {}

---@class orchlua.Call
local Call = {}
Call.__index = Call

-- Pauses between tries: exponential with full jitter, in seconds.
local FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30

-- An agent has one queue for all who ask it.
local function queue_of(runtime, agent)
  local made = runtime.queues[agent]
  if made then return made end
  made = queue.new(agent.concurrency or runtime.config.defaults.concurrency, agent.name)
  runtime.queues[agent] = made
  return made
end

--- The clock that this call's time-outs are kept on.
function Call:clock()
  return self.runtime:clock_for(self.agent)
end

-- What is due for this call besides its deadline: `try`, `pause`, `latency`, `cutoff`.
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

-- A try has ended: whoever keeps the agent's rate is told what it took.
local function leave_rates(self)
  local waiters, usage = self.waiters, self.usage
  self.waiters = nil
  for i, waiter in ipairs(waiters) do self.agent.rates[i]:leave(self:clock(), waiter, usage and usage.input + usage.output) end
end

local function finish(self, value, err)
  if self.ended then return end
  self.ended = true
  if self.deadline then self:clock():cancel(self.deadline) end
  if self.timers then end_timers(self) end
  if self.task then self:end_try() end
  if self.waiters then leave_rates(self) end
  if self.queued then queue_of(self.runtime, self.agent):leave(self) end
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
  local started = self.task
  self.task = nil
  if started then task.stop(started) end
end

-- What had come when a try was cut off goes with its failure.
local function timed_out(self, seconds, what)
  local wrote = self.told and self.told.stderr and require("orchlua.agents.exec").ending(self.told.stderr) or ""
  local partial = self.told and self.told.partial and self.told.partial()
  return errors.new("timeout", ("`%s` gave no %s in %s s%s%s"):format(self.request.agent_id, partial and partial ~= "" and "whole answer" or "answer",
    core.value.number_text(seconds), what or "", wrote), { retryable = true, fields = partial and partial ~= "" and { partial = partial } or nil })
end

local function pause_before_next(self, err)
  local most = math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ^ (self.attempt - self.before - 1))
  return math.max(self.runtime:jitter() * most, err.retry_after or 0)
end

-- Whether a server asks for a longer pause than the call has time for: waiting would be in vain.
local function asks_too_long(self, err)
  return err.retry_after ~= nil and err.retry_after > self:seconds "timeout" - M.elapsed(self)
end

-- Transport errors and timed-out tries are tried again by default; an agent's own
-- failure only when somebody said `retries`; what is final never: no other try would end otherwise.
local function may_retry(self, err)
  if err.final then return false end
  local given = self.request.options.retries
  local said = given ~= nil or self.agent.retries_given or false
  local most = given or self.agent.retries or self.runtime.config.defaults.retries
  if self.attempt - self.before > most or err.retryable == false and not said then return false end
  return (err.retryable or err.type == "transport" or said) and not asks_too_long(self, err)
end

-- A run is told before a request of its own is sent again, and what the try before took;
-- so it is before an agent's question to another that may cost something.
local function next_try(self)
  local request = self.request
  if request.number then
    self.run:deliver { kind = "try", request = request.number, attempt = self.attempt + 1, usage = self.usage }
  elseif request.account then
    request.account(self, self.usage)
  else
    self:try()
  end
end

local function try_failed(self, err)
  self.usage = err.usage
  if self.waiters then leave_rates(self) end
  if not may_retry(self, err) then return finish(self, nil, err) end
  if self.runtime.watched then self.runtime:notice(self, "retry", err) end
  after(self, "pause", pause_before_next(self, err), TIMER, next_try)
end

-- The answer is not of the shape that was asked for: the agent is told so, once.
local function ask_again(self, text, problem, message)
  if self.request.asked_again then
    return finish(self, nil, errors.new("schema", ("the reply of `%s` does not fit its schema: %s"):format(self.request.agent_id, problem)))
  end
  cancel(self, "try")
  self.before = self.before + 1
  self.run:deliver { kind = "try", request = self.request.number, attempt = self.attempt + 1, usage = self.usage, body = text, message = message }
end

local function answered(self, result)
  local schema = self.request.options.schema
  if schema then
    local text, problem, message = reply.misfit(schema, result)
    if problem then return ask_again(self, text, problem, message) end
  end
  finish(self, result)
end

-- What an agent raised, as an error: a `{type, message}` table is one nearly.
local function raised_by_agent(raised)
  if errors.is(raised) then return raised end
  if type(raised) ~= "table" then return errors.new("agent", tostring(raised), { retryable = false }) end
  local message = type(raised.message) == "string" and raised.message or "it raised a table without a message"
  return errors.new(type(raised.type) == "string" and raised.type or "agent", message, { retryable = false })
end

local function tried(self, ok, result, usage)
  if self.ended then return end
  self.task = nil
  if not ok then
    cancel(self, "try")
    return try_failed(self, raised_by_agent(result))
  end
  if usage ~= nil or self.told.stream then self:took(result, usage) end
  answered(self, result)
end

--- A try was answered: what it took, and, by an agent that has no pieces, all as one piece.
function Call:took(result, usage)
  self.usage = self.agent.terms and usage or nil
  if self.waiters then leave_rates(self) end
  if self.told.stream and not self.agent.terms then self.runtime:piece(self, (reply.text(result))) end
end

-- What a model is told besides.
local function tell_model(self, asked, request)
  asked.history, asked.schema, asked.asked_again = request.history, request.options.schema, request.asked_again
  if asked.stream then asked.tell = function(piece) self.runtime:piece(self, piece) end end
end

-- An agent that answered in another shape than was asked for is told so in its prompt.
local function prompt_again(request)
  local again = request.asked_again
  return ("%s\n\nYour answer was:\n%s\n\n%s"):format(request.prompt, again.answer, again.message)
end

-- What an agent is told, as the configuration's page has it. A second question is another one: a server that knows
-- its key would give the first answer again.
local function told(self, request, agent)
  local options, key, again = request.options, request.key, request.asked_again
  local asked = {
    agent_id = request.agent_id, prompt = request.prompt, data = request.data, run_id = self.run_id, request_id = key,
    idempotency_key = options.key or key, attempt = self.attempt, timeout = options.timeout or agent.timeout,
  }
  local stream = options.stream
  if stream or agent.stream and stream == nil then asked.stream = true end
  if again then asked.idempotency_key = asked.idempotency_key .. "/again" end
  if agent.terms then
    tell_model(self, asked, request)
  elseif again then
    asked.prompt = prompt_again(request)
  end
  return asked
end

-- Begins a try, which has ended when this returns, unless the agent waits.
local function send_now(self)
  local request, agent = self.request, self.agent
  local asked = told(self, request, agent)
  self.usage, self.told = nil, asked
  local argument, extra = asked, nil
  if agent.kind == "lua" and request.kind == "event" then argument, extra = request.data, asked end
  local started, ok, result, usage = task.start(self.runtime.tasks, self, agent.call, argument, extra, tried)
  if not started then return tried(self, ok, result, usage) end
  self.task = started
end

-- What leaves the process begins at a pace.
local function send(self)
  if self.agent.in_process then return send_now(self) end
  self.runtime.pace:enter(self, send_now)
end

local function try_timed_out(self)
  cancel(self, "latency")
  self:end_try()
  try_failed(self, timed_out(self, self:seconds "try_timeout", " (one try)"))
end

-- Sends one try.
local function begin_try(self)
  local agent = self.agent
  local try_timeout = self.request.options.try_timeout or agent.try_timeout
  if try_timeout then after(self, "try", try_timeout, TIMER, try_timed_out) end
  if not agent.latency then return send(self) end
  after(self, "latency", agent.latency, REPLY, send)
end

-- Waits for the rates of an agent, one after the other, and then begins.
local function wait_for_rates(self, index, begin)
  local rate, worst = self.agent.rates[index], self.request.worst
  if not rate then return begin(self) end
  local waiter = { tokens = worst and worst.input + worst.output or 0, start = function() wait_for_rates(self, index + 1, begin) end }
  self.waiters = self.waiters or {}
  self.waiters[index] = waiter
  rate:enter(self:clock(), waiter)
end

local function try(self, begin)
  self.attempt = self.attempt + 1
  if self.agent.rates then return wait_for_rates(self, 1, begin) end
  begin(self)
end

--- Ends the call with an error instead of another try.
---@param err orchlua.Error
function Call:fail(err) finish(self, nil, err) end

--- A time-out of this call: what the event says, else the agent.
function Call:seconds(name)
  return self.request.options[name] or self.agent[name]
end

local function too_late(self)
  self:end_try()
  finish(self, nil, timed_out(self, self:seconds "timeout"))
end

local function set_deadline(self, seconds)
  self.deadline = self:clock():after(seconds, TIMER, too_late, self)
end

--- Makes another try. The call's time stands still while it waits for the agent's rates.
function Call:try()
  local deadline = self.agent.rates and self.deadline
  if not deadline then return try(self, begin_try) end
  local left, since = self:clock():left(deadline), self.runtime.clock:now()
  self:clock():cancel(deadline)
  self.deadline = nil
  try(self, function()
    self.started = self.started + math.max(0, self.runtime.clock:now() - since)
    set_deadline(self, left)
    begin_try(self)
  end)
end

-- The call's time runs from here.
local function begin(self)
  local runtime = self.runtime
  self.started = runtime.clock:now()
  if runtime.watched then runtime:notice(self, "start") end
  begin_try(self)
  if not self.ended then set_deadline(self, self:seconds "timeout") end
end

-- Leaves the agent's queue.
local function admitted(self) try(self, begin) end

local function out_of_budget(self)
  self:end_try()
  finish(self, nil, errors.new("budget", ("the run's budget of seconds ran out before `%s` had answered"):format(self.request.agent_id)))
end

--- Ends the call without an answer.
function Call:abandon()
  if self.ended then return end
  self.done = function() end
  finish(self)
end

-- It has sixteen fields: with one more, Lua would make room for thirty-two.
local function new_call(runtime, run, request, agent, path, done)
  local before = request.attempt - 1
  return setmetatable({
    runtime = runtime, run = run, run_id = run.id, request = request, agent = agent, path = path or nil, done = done, attempt = before, before = before,
    started = nil, ended = false, queued = false, task = nil, deadline = nil, told = nil, usage = nil,
  }, Call)
end

-- The long way: by the agent's queue.
local function enter(self)
  local runtime, request, agent = self.runtime, self.request, self.agent
  if request.cutoff then after(self, "cutoff", math.max(0, request.cutoff - runtime.clock:now()), TIMER, out_of_budget) end
  queue_of(runtime, agent):enter(self, admitted, self.path)
  return self
end

-- Whether nothing is kept around the tries of a request to a plain function, and nobody watches.
local function has_short_way(runtime, request, path)
  return not path and not request.cutoff and not runtime.watched and not next(request.options)
end

-- A function waits, or has failed: from here on its call is like any other.
local function go_on(self, began, started, ok, result)
  local runtime, before = self.runtime, self.request.attempt - 1
  self.started, self.before, self.attempt, self.run_id = began, before, before + 1, self.run.id
  queue_of(runtime, self.agent):enter(self, function() end)
  if not started then
    tried(self, ok, result)
  else
    self.task = started
  end
  if not self.ended then set_deadline(self, self:seconds "timeout") end
  return self
end

--- Asks a plain agent something for which nothing is kept around its tries, with nobody watching. Most functions answer
--- at once, and leave their call to the next. Gives what `start` does.
---@param agent orchlua.Agent
function M.ask_plain(runtime, run, request, agent, done)
  local line, key, wall = queue_of(runtime, agent), request.key, runtime.clock
  if line.waiting > 0 or line.active >= line.limit then return enter(new_call(runtime, run, request, agent, nil, done)) end
  local self = runtime.spare_call or new_call(runtime, run, request, agent, nil, done)
  local asked = {
    agent_id = request.agent_id, prompt = request.prompt, data = request.data, run_id = run.id, request_id = key, idempotency_key = key,
    attempt = request.attempt, timeout = agent.timeout,
  }
  runtime.spare_call, self.run, self.request, self.agent, self.told = false, run, request, agent, asked
  local told_first, told_more = asked, nil
  if request.kind == "event" then told_first, told_more = request.data, asked end
  local began = wall:now()
  local started, ok, result = task.start(runtime.tasks, self, agent.call, told_first, told_more, tried)
  if started or not ok then return go_on(self, began, started, ok, result) end
  if not self.asked then runtime.spare_call = self end
  local now = wall:now()
  return nil, result, now > began and now - began or 0, now
end

--- Starts a call.
---@param runtime table
---@param run orchlua.Run
---@param request table
---@param path? table   the agents whose calls this one is made inside
---@param done fun(call: orchlua.Call, value: any, err: orchlua.Error?)
---@return orchlua.Call? call   nil when the answer is here: `done` is not called then
---@return any answer
---@return number? seconds    what it took
---@return number? time       when it came, seconds since the epoch
function M.start(runtime, run, request, path, done)
  local agents, id = runtime.agents, request.agent_id
  local agent, err
  if request.kind == "agent" then agent, err = agents:find(id) else agent = agents:handler(id) end
  if agent and agent.plain and has_short_way(runtime, request, path) then return M.ask_plain(runtime, run, request, agent, done) end
  local self = new_call(runtime, run, request, agent, path, done)
  if agent then return enter(self) end
  finish(self, nil, err)
  return self
end

return M
