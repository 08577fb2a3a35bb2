-- A run at rest as bytes, and back. What is written is the run's own state, as it is:
-- branches with their frames, mailboxes, requests, timers. Units of the program and
-- the kinds of tables stand for themselves, by name. Rows behind the snapshot are then
-- replayed: each is taken as it was the first time, and hears what was learned then.

local budget = require "orchlua.run.budget"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local flow = require "orchlua.run.flow"
local parallel = require "orchlua.run.parallel"
local in_flight = require "orchlua.run.in_flight"
local works = require "orchlua.run.work"

local json, value = core.json, core.value

local M = {}

local STATE = {
  "status", "inputs", "random_state", "branches", "branch_count", "request_count", "wait_count", "seq", "time", "read_at", "started",
  "outages", "mailbox", "waiters", "timers", "usage", "signal_count", "main", "main_ended",
  "last", "last_request", "leaving", "failing", "result", "error", "duration", "unknown_events", "flows", "flow_count",
  "terms", "memories", "budgets",
}

local KINDS = { [value.Array] = "array", [value.Object] = "object", [value.Reply] = "reply", [errors.Error] = "error",
  [parallel.CHILDREN] = "children", [parallel.ENDED] = "ended", [flow.UNIT] = "strand" }

-- What stands for itself in the snapshots of a program, both ways.
local function names_of(program)
  if not program.snapshot_names then
    local names, by_name = {}, {}
    for thing, name in pairs(KINDS) do names[thing] = name end
    for _, unit in ipairs(program.units) do names[unit] = "unit " .. unit.id end
    for thing, name in pairs(names) do by_name[name] = thing end
    program.snapshot_names, program.snapshot_things = names, by_name
  end
  return program.snapshot_names, program.snapshot_things
end

-- What all runs share is none of a run's state.
local function state_of(run)
  local state = {}
  for _, name in ipairs(STATE) do state[name] = rawget(run, name) end
  if run.request_total > 0 then state.requests = in_flight.by_number(run) end
  return state
end

--- A run at rest as bytes.
---@param run orchlua.Run
---@param records table[]   what it has told and nobody has heard yet
---@return string
function M.write(run, records)
  local state = state_of(run)
  state.records = records
  return core.snapshot.encode(state, (names_of(run.program)))
end

--- About how much memory a run's state takes, in bytes.
---@param run orchlua.Run
---@param temporaries any[]   values that its code works on
---@return integer
function M.weigh(run, temporaries)
  return core.memory.weigh({ state_of(run), temporaries }, (names_of(run.program)))
end

local function read(run, bytes)
  local state, problem = core.snapshot.decode(bytes, select(2, names_of(run.program)))
  if not state then return errors.new("store", problem) end
  for _, name in ipairs(STATE) do run[name] = state[name] end
  in_flight.restore(run, state.requests or {})
  run.work.outbox, run.players = state.records, nil
  run.branch_total = 0
  for _ in pairs(run.branches) do run.branch_total = run.branch_total + 1 end
  -- Snapshots of an older release know nothing of money.
  if state.usage then state.usage.calls = state.usage.calls or state.usage.requests end
  return flow.restore(run)
end

--- Lets go of everything that a snapshot holds: the run can be brought back into.
---@param run orchlua.Run
function M.forget(run)
  for _, name in ipairs(STATE) do run[name] = nil end
  run.requests, run.request_total = nil, nil
end

-- Replay ---------------------------------------------------------------------------------

local taken = {}

local function limits(kept)
  if kept == nil or kept == value.null then return nil end
  return (budget.limits(kept))
end

function taken.start(run, row)
  local started = json.decode(row.body)
  run.inputs, run.random_state = started.input, started.seed
  budget.limit(run, "given", limits(started.budget))
end

local own = { type = true, message = true, status = true, hint = true }

-- The fields of an error besides its own.
local function further(kept)
  local fields = {}
  for _, name in ipairs(kept) do
    if not own[name] then fields[name] = kept[name] end
  end
  return next(fields) and fields or nil
end

function taken.reply(_, row)
  if not row.error then return end
  local kept = json.decode(row.error)
  local function field(name) return kept[name] ~= value.null and kept[name] or nil end
  row.error = errors.new(kept.type, kept.message, { status = field "status", hint = field "hint", fields = further(kept) })
end

-- The error of a try's row is what was wrong with its answer.
taken["try"] = function(_, row) row.message = row.error and json.decode(row.error).message end

function taken.ask(_, row)
  row.ask, row.agent_id, row.worst, row.usage = row.attempt, row.name, row.usage, nil
end

function taken.asked(_, row) row.ask = row.attempt end

function taken.timer(_, row) row.wait = row.request end

function taken.signal() end

function taken.cancel(_, row) row.reason = row.name end

function taken.resume(_, row)
  local body = json.decode(row.body)
  row.outage, row.crashed = body.outage, body.crashed
  row.budget = limits(body.budget)
end

-- An amount of tokens, as the budget has it.
local function amount(kept)
  local function field(name) return kept[name] ~= value.null and kept[name] or nil end
  return { input = kept.input, output = kept.output, cost = field "cost", calls = field "calls" }
end

-- Takes a row of the journal as it was taken the first time.
local function replay(run, row)
  row.attempts = row.attempt
  row.usage = row.usage and amount(json.decode(row.usage))
  taken[row.kind](run, row)
  run.replay = row.readings and json.decode(row.readings) or {}
  run.replay.at = 0
  run:take(row)
  repeat run:drive() until not run.awake
end

-- What the run asks for is asked again by whoever drives it; what it tells is kept.
local function sort_outbox(run, sent)
  local records = {}
  for _, effect in ipairs(run.work.outbox) do
    if effect.effect == "request" then sent[effect.number] = effect.agent_id end
    if not effect.effect then records[#records + 1] = effect end
  end
  run.work.outbox = records
end

--- Brings a run back: from its snapshot, and the rows behind it. Nothing leaves it, and
--- no clock is set; what it told since the snapshot is in the outbox of its work.
---@param run orchlua.Run   one that was never started
---@param snapshot { body: string? }
---@param rows table[]      of the journal, in order
---@return orchlua.Error? err
function M.restore(run, snapshot, rows)
  -- It stays in the run's hands, with what was told.
  local work = works.take_up(run)
  work.driven = true
  local err = snapshot.body and read(run, snapshot.body)
  if err then return err end
  local sent = {}
  run.replay = {}
  for _, row in ipairs(rows) do
    if taken[row.kind] then
      replay(run, row)
      sort_outbox(run, sent)
    elseif row.kind == "request" and sent[row.request] ~= row.name then
      return errors.new("replay", ("the journal of the run `%s` does not fit its program: at row %d it asked `%s`, and now it would ask `%s`"):format(
        run.id, row.seq, row.name, sent[row.request] or "nobody"), { hint = "the release or the configuration has changed what the program does" })
    end
  end
  run.replay, work.driven = nil, false
end

return M
