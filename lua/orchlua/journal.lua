-- The journal of the runs of one runtime, and the output rule: nothing that a run
-- asked for or told leaves the process before the rows that led to it are durable.
-- Each time a run comes to rest its row goes into the batch, and what it wants done is
-- held; when the batch has been committed, it is performed.

local budget = require "orchlua.run.budget"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local failure = require "orchlua.run.failure"
local reply = require "orchlua.run.reply"
local snapshot = require "orchlua.run.snapshot"

local json, value = core.json, core.value

local M = {}

-- Bytes of journal from which on a snapshot may be taken, when it has outgrown the last.
local LEAST_BYTES = 64 * 1024
-- What a row costs besides its texts, roughly.
local ROW_BYTES, READING_BYTES = 60, 20

---@class orchlua.Journal
---@field busy boolean   a batch is being committed on the store's thread
---@field seconds_a_run number   that it took to drive a run of the last round
local Journal = {}
Journal.__index = Journal

--- Makes the journal of a runtime.
---@param store table      a durable one
---@param runtime { perform: fun(run, effects), stop: fun(run, err), ended: fun(run) }
function M.new(store, runtime)
  return setmetatable({ store = store, runtime = runtime, gathered = {}, busy = false, seconds_a_run = 0 }, Journal)
end

-- Rows -----------------------------------------------------------------------------------

local columns = {}

function columns.start(run)
  local given = run.budgets and run.budgets.given
  return { body = json.encode(value.object { "input", "seed", "budget", input = run.inputs, seed = run.lease.seed,
    budget = given and budget.limits_value(given) or value.null }) }
end

local function error_value(err)
  return err and failure.to_value(err)
end

-- The hint is not a program's to see, and is kept for whoever reads the error.
local function kept_error(err)
  if not err then return nil end
  local kept = error_value(err)
  if err.hint then
    kept = value.copy(kept)
    if kept.hint == nil then kept[#kept + 1], kept.hint = "hint", err.hint end
  end
  return kept
end

local function kept_usage(amount)
  return amount and value.object { "input", "output", "cost", "calls", input = amount.input, output = amount.output,
    cost = amount.cost or value.null, calls = amount.calls or value.null }
end

function columns.reply(_, row)
  return { request = row.request, attempt = row.attempts, duration = row.duration, body = row.body, error = kept_error(row.error),
    usage = kept_usage(row.usage) }
end

columns["try"] = function(_, row)
  local wrong = row.message and value.object { "type", "message", type = "schema", message = row.message }
  return { request = row.request, attempt = row.attempt, usage = kept_usage(row.usage), body = row.body, error = wrong }
end

function columns.ask(_, row)
  return { request = row.request, attempt = row.ask, name = row.agent_id, usage = kept_usage(row.worst) }
end

function columns.asked(_, row) return { request = row.request, attempt = row.ask, usage = kept_usage(row.usage) } end

function columns.timer(_, row) return { request = row.wait, duration = row.duration, branch = row.branch } end

function columns.signal(_, row) return { name = row.name, body = row.body } end

function columns.cancel(_, row) return { name = row.reason } end

function columns.resume(_, row)
  return { body = json.encode(value.object { "outage", "crashed", "budget", outage = row.outage, crashed = row.crashed,
    budget = row.budget and budget.limits_value(row.budget) or value.null }) }
end

-- Appends a row to a run's part, with its place in the run; it weighs on the next snapshot.
local function append(run, kind, time, row)
  local lease, rows = run.lease, run.part.rows
  local seq, body, readings = lease.seq + 1, row.body, row.readings
  lease.seq = seq
  row.seq, row.kind, row.time = seq, kind, time
  lease.bytes = lease.bytes + ROW_BYTES + (body and #body or 0) + (readings and READING_BYTES * #readings or 0)
  rows[#rows + 1] = row
end

local function append_taken(run, row)
  local kind = row.kind
  local of_kind = columns[kind](run, row)
  of_kind.readings = row.readings or nil
  append(run, kind, row.time, of_kind)
  if row.message then run.part.taken[#run.part.taken + 1] = row.message end
end

local function append_request(run, request)
  local branch = run.branches[request.branch]
  append(run, "request", run.time, {
    request = request.number, name = request.agent_id, branch = branch and branch.label, line = run.program:line(request.site),
    entity = request.kind == "entity" and request or nil,
  })
end

-- Records that other rows stand for already.
local function has_row(record)
  return record.request_id ~= nil or record.type == "signal" or record.type:find "^run:" ~= nil
end

local function append_record(run, record)
  if has_row(record) then return end
  local data = record.data
  if data == nil then data = record.text or record.message end
  append(run, "event", record.time, { name = record.type, branch = record.branch, body = data ~= nil and json.encode(data) or nil })
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

local function untold(run)
  local records = {}
  for _, list in ipairs { run.performing, run.held } do
    for _, effect in ipairs(list) do
      if not effect.effect then records[#records + 1] = effect end
    end
  end
  return records
end

--- Takes a snapshot of a run at rest.
function Journal:snapshot(run)
  local lease = run.lease
  local bytes = snapshot.write(run, untold(run))
  run.part.snapshot = { seq = lease.seq, body = bytes }
  lease.bytes, lease.snapshot_bytes = 0, #bytes
  self:gather(run)
end

--- Whether the journal since the last snapshot has outgrown it.
function M.outgrown(lease)
  return lease.bytes > LEAST_BYTES and lease.bytes > lease.snapshot_bytes
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

-- Says in the run's row how it stands, when that has changed: most rests change nothing.
local function say_state(run)
  local lease = run.lease
  local due = run:parked() and next_due(run) or nil
  if lease.status == run.status and lease.due == due then return end
  lease.status, lease.due = run.status, due
  lease.parked_at = due and run.clock:now() or nil
  run.part.state = {
    status = run.status, time = run.time, due = due, steps = run.request_count + run.wait_count,
    outcome = shown_outcome(run), released = run.status ~= "running",
    usage = run.usage.calls > 0 and budget.of_run(run) or nil,
  }
end

--- Puts a run among those whose part of the batch is committed next.
function Journal:gather(run)
  if run.gathered then return end
  run.gathered = true
  self.gathered[#self.gathered + 1] = run
end

--- A run has come to rest: what it learned since its row, and what it wants done, goes
--- into the batch.
function Journal:at_rest(run, row)
  local lease = run.lease
  row.readings = run.readings
  append_taken(run, row)
  local outbox, held = run.outbox, run.held
  run.outbox = {}
  for i = 1, #outbox do
    local effect = outbox[i]
    appended[effect.effect or "record"](run, effect)
    held[#held + 1] = effect
  end
  say_state(run)
  self:gather(run)
  if M.outgrown(lease) and run.status == "running" then self:snapshot(run) end
end

-- Committing -------------------------------------------------------------------------------------

local function lost(run)
  return errors.new("lease", ("the run `%s` is driven by another process now: what this one did since is void"):format(run.id),
    { hint = "`orchlua show " .. run.id .. "` tells who drives it" })
end

local function taken_already(run)
  return errors.new("run", ("a run of the id `%s` exists"):format(run.id))
end

local function committed(self, run, outcome, err)
  local effects = run.performing
  run.performing = {}
  if err then return self.runtime.stop(run, err) end
  if outcome.refused[run.lease] then return self.runtime.stop(run, run.lease.committed and lost(run) or taken_already(run)) end
  run.lease.committed = true
  self.runtime.perform(run, effects)
  if run.status ~= "running" and #run.held == 0 then self.runtime.ended(run) end
end

local function deliver_answers(outcome)
  for _, answer in ipairs(outcome.answers) do
    local run = answer.lease.run
    if not outcome.refused[answer.lease] then run:deliver(reply.row(run, answer.request, answer.outcome.value, answer.outcome.error)) end
  end
end

local function all_committed(self, runs, outcome, err)
  for _, run in ipairs(runs) do committed(self, run, outcome, err) end
  if outcome then deliver_answers(outcome) end
end

-- What is kept of a program: enough to compile it again.
local function program_text(program)
  local text = program.source
  return { name = program.name, source = text.text, first_line = text.first_line or 1, indent = text.indent or 0 }
end

local function new_part() return { rows = {}, taken = {} } end

--- What a run did since its last part is void: it raised half-way.
function Journal:drop(run)
  for i, gathered in ipairs(self.gathered) do
    if gathered == run then
      table.remove(self.gathered, i)
      break
    end
  end
  run.gathered = true -- so that it is never gathered again
end

-- Closes the batch: what its runs hold is performed when it has been committed.
local function close_batch(self)
  local runs = self.gathered
  self.gathered = {}
  for _, run in ipairs(runs) do
    self.store:write(run.lease, run.part)
    run.gathered = false
    run.part, run.performing, run.held = new_part(), run.held, {}
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
---@return orchlua.Error? err
function Journal:take_over(run)
  local number, err = self.store:program(program_text(run.program))
  if not number then return err end
  run.part.program = { number = number, title = run.program.title or run.program.name }
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
  lease.seed = how.seed
  self:keep(run, lease)
end

--- Closes the store. What was learned is committed; what that led to is not done any
--- more, and is left to a resume.
function Journal:finish()
  if self:ready() then
    close_batch(self)
    self.store:commit()
  end
  self.store:close()
end

--- Puts a run under this journal.
---@param run orchlua.Run
---@param lease table   of the store
function Journal:keep(run, lease)
  lease.run, lease.bytes, lease.snapshot_bytes = run, lease.bytes or 0, lease.snapshot_bytes or 0
  lease.seq, lease.status = lease.seq or 0, lease.status or "running"
  run.lease, run.part, run.held, run.performing, run.gathered = lease, new_part(), {}, {}, false
  run:keep(function(of, row) self:at_rest(of, row) end)
end

return M
