-- The journal of the runs of one runtime, and the output rule: nothing that a run
-- asked for or told leaves the process before the rows that led to it are durable.
-- Each time a run comes to rest its row goes into the batch, and what it wants done is
-- held; when the batch has been committed, it is performed.

local budget = require "orchlua.run.budget"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local in_flight = require "orchlua.run.in_flight"
local failure = require "orchlua.run.failure"
local reply = require "orchlua.run.reply"
local snapshot = require "orchlua.run.snapshot"

local json, value = core.json, core.value

local M = {}

-- Bytes of journal from which on a snapshot may be taken, when it has outgrown the last.
local LEAST_BYTES = 64 * 1024
-- What a row costs besides its texts, roughly.
local ROW_BYTES = 60
-- Empty lists that are kept for further runs.
local MOST_SPARE = 128

---@class orchlua.Journal
---@field busy boolean   a batch is being committed on the store's thread
---@field seconds_a_run number   that it took to drive a run of the last round
---@field gathered orchlua.Run[]   those that the batch is of
---@field spare table[]            empty lists, for what runs want done
local Journal = {}
Journal.__index = Journal

--- Makes the journal of a runtime.
---@param store table      a durable one
---@param runtime { perform: fun(run, effects), stop: fun(run, err), ended: fun(run), late: fun() }   late: others may have taken runs over
function M.new(store, runtime)
  return setmetatable({ store = store, runtime = runtime, gathered = {}, spare = {}, busy = false, seconds_a_run = 0 }, Journal)
end

-- Rows -----------------------------------------------------------------------------------

-- What the world said, by the kind of its row, in the columns of the journal from `request` to `usage`.
local columns = {}

local function no_columns(body) return nil, nil, nil, nil, nil, nil, body end

function columns.start(run)
  local given = run.budgets and run.budgets.given
  return no_columns(json.encode(value.object { "input", "seed", "budget", input = run.inputs, seed = run.creation.seed,
    budget = given and budget.limits_value(given) or value.null }))
end

-- The hint is not a program's to see, and is kept for whoever reads the error.
local function kept_error(err)
  local kept = failure.to_value(err)
  if err.hint then
    kept = value.copy(kept)
    if kept.hint == nil then kept[#kept + 1], kept.hint = "hint", err.hint end
  end
  return kept
end

local function usage_text(amount)
  return json.encode(value.object { "input", "output", "cost", "calls", input = amount.input, output = amount.output,
    cost = amount.cost or value.null, calls = amount.calls or value.null })
end

function columns.reply(_, row)
  local err, usage = row.error, row.usage
  return row.request, nil, nil, nil, row.attempts, row.duration, row.body, err and json.encode(kept_error(err)), usage and usage_text(usage)
end

columns["try"] = function(_, row)
  local wrong = row.message and json.encode(value.object { "type", "message", type = "schema", message = row.message })
  return row.request, nil, nil, nil, row.attempt, nil, row.body, wrong, row.usage and usage_text(row.usage)
end

function columns.ask(_, row)
  return row.request, row.agent_id, nil, nil, row.ask, nil, nil, nil, row.worst and usage_text(row.worst)
end

function columns.asked(_, row) return row.request, nil, nil, nil, row.ask, nil, nil, nil, row.usage and usage_text(row.usage) end

function columns.timer(_, row) return row.wait, nil, row.branch, nil, nil, row.duration end

function columns.signal(_, row) return nil, row.name, nil, nil, nil, nil, row.body end

function columns.cancel(_, row) return nil, row.reason end

function columns.resume(_, row)
  return no_columns(json.encode(value.object { "outage", "crashed", "budget", outage = row.outage, crashed = row.crashed,
    budget = row.budget and budget.limits_value(row.budget) or value.null }))
end

-- A run's next row weighs on its next snapshot. Gives its place in the run.
local function weigh(run, body, err, readings)
  local seq = run.row_seq + 1
  run.row_seq = seq
  run.rows_bytes = run.rows_bytes + ROW_BYTES + (body and #body or 0) + (err and #err or 0) + (readings and #readings or 0)
  return seq
end

-- Puts a row into the batch.
local function append(self, run, kind, time, readings, request, name, branch, line, attempt, duration, body, err, usage)
  local learned = readings and json.encode(readings) or nil
  self.store:append(run, weigh(run, body, err, learned), kind, time, request, name, branch, line, attempt, duration, body, err, usage, learned)
end

local function append_taken(self, run, row)
  append(self, run, row.kind, row.time, run.work.readings, columns[row.kind](run, row))
  if row.message then self.store:taken(run, row.message) end
end

local function append_request(self, run, request)
  local store, branch, line = self.store, run.branches[request.branch], run.program:line(request.site)
  local label, seq = branch and branch.label, weigh(run)
  if request.kind == "entity" then return store:append_entity(run, request, seq, run.time, label, line) end
  store:append(run, seq, "request", run.time, request.number, request.agent_id, label, line)
end

-- Records that other rows stand for already, or that have theirs.
local function has_row(record)
  return record.again or record.request_id ~= nil or record.type == "signal" or record.type:find "^run:" ~= nil
end

local function append_record(self, run, record)
  if has_row(record) then return end
  local data = record.data
  if data == nil then data = record.text or record.message end
  append(self, run, "event", record.time, nil, nil, record.type, record.branch, nil, nil, nil, data ~= nil and json.encode(data) or nil)
end

local appended = {
  request = append_request,
  record = append_record,
  ["try"] = function() end,
  again = function() end,
  ask = function() end,
  abandon = function() end,
}

-- Snapshots ----------------------------------------------------------------------------------

local NOTHING = {}

local function untold(run)
  local records = {}
  for _, list in ipairs { run.performing or NOTHING, run.held or NOTHING } do
    for _, effect in ipairs(list) do
      if not effect.effect then records[#records + 1] = effect end
    end
  end
  return records
end

--- Takes a snapshot of a run at rest.
function Journal:snapshot(run)
  local store, bytes = self.store, snapshot.write(run, untold(run))
  store:whole(store.snapshot, store, run, run.row_seq, bytes, in_flight.has(run, "entity"))
  run.rows_bytes, run.snapshot_bytes = 0, #bytes
  self:gather(run)
end

--- Stops a run at the next commit when another process drives it.
function Journal:ask_lease(run)
  self.store:ask_lease(run)
  self:gather(run)
end

--- Whether the journal since the last snapshot has outgrown it.
function M.outgrown(run)
  return run.rows_bytes > LEAST_BYTES and run.rows_bytes > run.snapshot_bytes
end

-- At rest --------------------------------------------------------------------------------------

-- When the next timer is due: never, for a run that only a signal or an answer can wake.
local function next_due(run)
  local due = math.huge
  for _, whom in pairs(run.timers) do due = math.min(due, whom.wait.at) end
  return due
end

local function outcome_of(run)
  if run.error then return kept_error(run.error) end
  return run.result
end

local function shown_outcome(run)
  local outcome = outcome_of(run)
  if outcome == nil or json.encode(outcome) then return outcome end
  return "(a value inside itself)"
end

-- Says in the run's row how it stands, when that has changed: most rests change nothing. One that may stay
-- as it is for long names its last row.
local function say_state(self, run)
  local status, due = run.status, run:parked() and next_due(run) or false
  if run.said == status and run.due == due then
    if due or status ~= "running" then self.store:say_last(run) end
    return
  end
  run.said, run.due = status, due
  self.store:say_state(run, {
    status = status, time = run.time, due = due or nil, steps = run.request_count + run.wait_count,
    outcome = shown_outcome(run), released = status ~= "running",
    usage = run.usage.calls > 0 and budget.of_run(run) or nil,
  })
end

--- Puts a run among those of the batch that is committed next. From then on it holds what it wants done.
function Journal:gather(run)
  if run.held then return end
  local spare = self.spare
  local last = #spare
  run.held, spare[last] = spare[last] or {}, nil
  self.gathered[#self.gathered + 1] = run
end

-- What a run wants done is held until the batch has been committed.
local function hold(run, work)
  local held, outbox = run.held, work.outbox
  if not held[1] then
    run.held, work.outbox = outbox, held
    return
  end
  work.outbox = {}
  table.move(outbox, 1, #outbox, #held + 1, held)
end

local function rest(self, run, row)
  local work = run.work
  local outbox = work.outbox
  append_taken(self, run, row)
  for i = 1, #outbox do
    local effect = outbox[i]
    appended[effect.effect or "record"](self, run, effect)
  end
  self:gather(run)
  hold(run, work)
  say_state(self, run)
  if M.outgrown(run) and run.status == "running" then self:snapshot(run) end
end

--- A run has come to rest: what it learned since its row, and what it wants done, goes
--- into the batch.
function Journal:at_rest(run, row)
  if run.replay then return end
  self.store:whole(rest, self, run, row)
end

-- Committing -------------------------------------------------------------------------------------

--- What is told of a run whose lease is lost.
function M.lost(run)
  return errors.new("lease", ("the run `%s` is driven by another process now: what this one did since is void"):format(run.id),
    { hint = "`orchlua show " .. run.id .. "` tells who drives it" })
end

local function taken_already(run)
  return errors.new("run", ("a run of the id `%s` exists"):format(run.id))
end

local function committed(self, run, outcome)
  local effects, creation = run.performing, run.creation
  run.performing = false
  if outcome.refused[run] then return self.runtime.stop(run, creation and taken_already(run) or M.lost(run)) end
  if creation then run.creation = nil end
  self.runtime.perform(run, effects)
  if #self.spare < MOST_SPARE then self.spare[#self.spare + 1] = effects end
  if run.status ~= "running" and not run.held then self.runtime.ended(run) end
end

local function deliver_answers(outcome)
  for _, answer in ipairs(outcome.answers) do
    local run = answer.lease
    if not outcome.refused[run] then run:deliver(reply.row(run, answer.request, answer.outcome.value, answer.outcome.error)) end
  end
end

-- A batch has failed: its runs stop, and so do those of the one that was gathered meanwhile, which may go on from it.
local function all_failed(self, runs, err)
  local since = self.gathered
  self.gathered = {}
  self.store:void()
  for _, list in ipairs { runs, since } do
    for _, run in ipairs(list) do
      run.performing, run.held = false, false
      self.runtime.stop(run, err)
    end
  end
end

local function all_committed(self, runs, outcome, err)
  if err then return all_failed(self, runs, err) end
  for _, run in ipairs(runs) do committed(self, run, outcome) end
  deliver_answers(outcome)
  if outcome.refused[self.store] then self.runtime.late() end
end

-- What is kept of a program: enough to compile it again.
local function program_text(program)
  local text = program.source
  return { name = program.name, source = text.text, first_line = text.first_line or 1, indent = text.indent or 0 }
end

--- What a run did since it was at rest is void: it raised half-way.
function Journal:drop(run)
  for i, gathered in ipairs(self.gathered) do
    if gathered == run then
      table.remove(self.gathered, i)
      break
    end
  end
  run.held = {} -- so that it is never gathered again
end

-- Closes the batch: what its runs hold is performed when it has been committed.
local function close_batch(self)
  local runs = self.gathered
  self.gathered = {}
  for i = 1, #runs do
    local run = runs[i]
    run.performing, run.held = run.held, false
  end
  return runs
end

--- Whether a batch waits and could be committed now.
function Journal:ready()
  return not self.busy and (#self.gathered > 0 or self.store:pending())
end

--- Commits at once: for when there is nothing else to do meanwhile.
function Journal:commit()
  local runs = close_batch(self)
  all_committed(self, runs, self.store:commit())
end

--- Commits on the store's thread.
function Journal:commit_later()
  local runs = close_batch(self)
  self.busy = true
  self.store:commit_later(function(outcome, err)
    self.busy = false
    all_committed(self, runs, outcome, err)
  end)
end

--- Commits on the store's thread what has been gathered when so many runs are about to be driven, if a commit takes
--- less time than to drive them all: then it costs nothing. Else one commit for all of them is better.
---@param count integer
function Journal:commit_meanwhile(count)
  local gathered = #self.gathered
  if gathered == 0 or self.busy or (gathered + count) * self.seconds_a_run < self.store.commit_seconds then return end
  self:commit_later()
end

--- Another program has taken the run over: from here on it is the run's.
function Journal:take_over(run)
  local store, program = self.store, run.program
  store:whole(store.replace_program, store, run, program_text(program), program.title or program.name)
  self:snapshot(run)
end

--- Makes a new run in the store, which its first part creates.
---@param run orchlua.Run
---@param how { seed: integer, parent: string?, options: table, created: number }
---@return orchlua.Error? err
function Journal:create(run, how)
  local lease, err = self.store:create({
    id = run.id, title = run.program.title or run.program.name, parent = how.parent, options = how.options, created = how.created,
  }, program_text(run.program))
  if not lease then return err end
  lease.creation.seed = how.seed
  M.keep(run, lease)
end

--- Closes the store. What was learned is committed; what that led to is not done any
--- more, and is left to a resume.
function Journal:finish()
  local store = self.store
  local sound = not self.busy or store:settle()
  if sound and store:pending() then store:commit() end
  store:close()
end

--- Puts a run under this journal: from here on it is its own lease.
---@param run orchlua.Run
---@param lease table   of the store, with what the journal knows of a run that was brought back
function M.keep(run, lease)
  for name, field in pairs(lease) do run[name] = field end
end

return M
