-- What a run wants done in the world, done: questions to agents, records for whoever
-- listens, entities, sub-runs. A run leaves effects in its outbox; the runtime has them
-- performed here when the rows that led to them are durable.

local call = require "orchlua.run.call"
local core = require "orchlua.core"
local reply = require "orchlua.run.reply"
local subrun = require "orchlua.run.subrun"

local M = {}

local elapsed, utf8 = call.elapsed, core.value.utf8

-- By the kind of effect: `effects[kind](runtime, run, effect)`.
local effects = {}

-- In virtual time the answers from outside the process come in the order in which
-- the calls were sent, so that a run is the same every time.
local function deliver_in_order(runtime)
  local queue_of_calls = runtime.in_flight
  while queue_of_calls[1] and queue_of_calls[1].outcome do
    local first = table.remove(queue_of_calls, 1)
    runtime.clock:release()
    first.run:deliver(first.outcome)
  end
end

local function deliver_as_ordered(ordered, row)
  ordered.outcome = row
  deliver_in_order(ordered.runtime)
end

-- A large answer that is JSON is read before the run gets it, while other things go on.
local function read_first(runtime, run, row, ordered)
  local clock = runtime.clock
  local function later(step)
    clock:hold()
    runtime.loop_handle:defer(function()
      clock:release()
      step()
    end)
  end
  return reply.parse_slowly(row.body, later, runtime.collector, function(parsed)
    row.parsed = parsed
    if ordered then return deliver_as_ordered(ordered, row) end
    run:deliver(row)
  end)
end

-- Tells a run what came of its request; `ordered` is the call, when answers come in the order of the calls.
local function answer(runtime, run, request, row, ordered)
  local broken, body = runtime.recorder and runtime.recorder:keep(request, row), row.body
  if broken then return runtime:stop(run, broken) end
  if body and #body >= reply.LARGE and not request.quiet and read_first(runtime, run, row, ordered) then return end
  if ordered then return deliver_as_ordered(ordered, row) end
  run:deliver(row)
end

local function call_ended(ended, result, err)
  local runtime, run, request = ended.runtime, ended.run, ended.request
  runtime.calls[request] = nil
  if runtime.watched then runtime:notice(ended, "end", err) end
  if err and err.unknown_request then return runtime:stop(run, run:located(err, request.site)) end
  local duration, now = elapsed(ended)
  if ended.ordered then duration, now = 0, nil end
  answer(runtime, run, request, reply.row(run, request, result, err, ended.attempt, duration, now, ended.usage), ended.ordered and ended)
end

-- A store that is no journal's answers at once; else the commit did what was asked.
local function ask_store(runtime, run, request)
  if runtime.journal then return end
  local result, err = runtime.store:entity(request)
  run:deliver(reply.row(run, request, result, err))
end

-- A call that is not answered at once.
local function under_way(runtime, request, started)
  if started.ended then return end
  runtime.calls[request] = started
  if runtime.clock.virtual and not started.agent.in_process then
    started.ordered = true
    runtime.clock:hold()
    runtime.in_flight[#runtime.in_flight + 1] = started
  end
end

function effects.request(runtime, run, request)
  local kind = request.kind
  if kind == "run" then return subrun.start(runtime, run, request) end
  if kind == "entity" then return ask_store(runtime, run, request) end
  local started, result, duration, now = call.start(runtime, run, request, run.path, call_ended)
  if started then return under_way(runtime, request, started) end
  answer(runtime, run, request, reply.row(run, request, result, nil, request.attempt, duration, now))
end

function effects.abandon(runtime, run, effect)
  local started = runtime.calls[effect.request]
  runtime.calls[effect.request] = nil
  if started then
    if runtime.watched then runtime:notice(started, "end") end
    if started.ordered then
      started.outcome = reply.row(run, effect.request)
      deliver_in_order(runtime)
    end
    started:abandon()
  end
end

function effects.record(runtime, _, record)
  if runtime.options.on_record then runtime.options.on_record(record) end
end

effects["try"] = function(runtime, _, effect)
  local started = runtime.calls[effect.request]
  if started then started:try() end
end

-- An agent may ask another, or not: it waits for this.
function effects.ask(runtime, _, effect)
  local started = runtime.calls[effect.request]
  local waiting = started and started.asking and started.asking[effect.ask]
  if not waiting then return end
  started.asking[effect.ask] = nil
  waiting(effect.refused)
end

-- Sends what was in flight when the run was left; entities tell what came of it.
function effects.again(runtime, run, effect)
  local request = effect.request
  if request.kind ~= "entity" then return effects.request(runtime, run, request) end
  local outcome, err = runtime.store:answered(run, request)
  if not outcome then return runtime:stop(run, err) end
  run:deliver(reply.row(run, request, outcome.value, outcome.error))
end

local function perform(runtime, run, list)
  for i = 1, #list do
    local effect = list[i]
    list[i] = nil
    effects[effect.effect or "record"](runtime, run, effect)
  end
end

--- Performs effects in order, emptying the list.
---@param runtime orchlua.Runtime
---@param run orchlua.Run
---@param list table[]
M.perform = perform

--- What performs the outbox of a run in memory; what is put into it meanwhile comes last.
---@return fun(run: orchlua.Run)
function M.performer(runtime)
  return function(run)
    local work = run.work
    local outbox = work.outbox
    while outbox[1] do
      work.outbox, work.outbox_taken = work.outbox_taken, outbox
      perform(runtime, run, outbox)
      outbox = work.outbox
    end
  end
end

--- What asks a plain function while a run in memory is driven: gives the answer's text, the seconds it took and when it
--- came. Nothing when a row will be delivered, as to any other request.
---@return fun(run: orchlua.Run, request: orchlua.Request, agent: orchlua.Agent): string?, number?, number?
function M.asker(runtime)
  return function(run, request, agent)
    local started, result, duration, now = call.ask_plain(runtime, run, request, agent, call_ended)
    if started then return under_way(runtime, request, started) end
    local text = type(result) == "string" and utf8(result)
    if text and run.work.alone and #text < reply.LARGE and #text <= run.limits.reply then return text, duration, now end
    answer(runtime, run, request, reply.row(run, request, result, nil, 1, duration, now))
  end
end

return M
