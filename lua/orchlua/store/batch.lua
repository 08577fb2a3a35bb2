-- The batch of a store: what runs write is gathered in it, each run's part behind a guard that asks whether
-- this process still drives the run; the whole batch becomes durable in one transaction, or none of it.

local core = require "orchlua.core"
local entities = require "orchlua.store.entities"
local leases = require "orchlua.store.lease"
local fault = require "orchlua.store.fault"
local statements = require "orchlua.store.statements"

local json, value = core.json, core.value
local LAG, null = statements.lag, value.null

-- The part of a lease's time after which a sign of life counts as late: SQLite's clock is coarser than others'.
local IN_TIME = 0.9

---@class orchlua.SqliteStore
local Store = {}

-- Bytes that a row behind a snapshot keeps of its body.
Store.HISTORY_BODY = 256

local function text_or_nil(v)
  if v == nil or v == null then return nil end
  return json.encode(v)
end

--- A new run: it is made by its first part.
---@param run { id: string, title: string, parent: string?, options: table, created: number }
---@param program { name: string, source: string, first_line: integer, indent: integer }
---@return table? lease   what this process holds of the run, in fields that the run itself may have: `number`, `fence`, `creation`; later
---  `last_row`, `noted_row`, `marks`, `cut_to`
---@return orchlua.Error? err
function Store:create(run, program)
  local err = self:sign_in()
  if err then return nil, err end
  self.run_count = self.run_count + 1
  return {
    number = self.first_number + self.run_count, fence = 1,
    creation = {
      program = program, id = run.id, title = run.title, parent = run.parent, options = json.encode(run.options), created = run.created,
    },
  }
end

-- Puts a program's text into the batch, where it is stored once; gives the hash that it is found by.
-- It is there in the transaction of the run that needs it: one that no run has may be deleted.
local function add_program(self, program)
  local hash = core.digest.sha256(json.encode(value.array { program.name, program.first_line, program.indent, program.source }))
  self.db:add(self.statements.program, 0, hash, program.name, program.source, program.first_line, program.indent)
  return hash
end

-- What follows in the batch is of a new run, `number` its first row; it is left out when the id is taken.
local function create(self, lease, tag, number)
  local creation = lease.creation
  creation.begun, lease.noted_row = true, number
  self.db:guard(self.statements.always, 0)
  local hash = add_program(self, creation.program)
  self.db:guard(self.statements.create, tag, lease.number, creation.id, hash, creation.title, creation.parent, creation.options,
    creation.created, self.driver, number)
end

-- What follows in the batch is of this run, `number` its next row: it is only done while this process drives the run,
-- or when its id was free.
local function begin_part(self, lease, number)
  local guards, creation = self.guards, lease.creation
  local tag = -(#guards + 1)
  guards[-tag] = lease
  self.part_of = lease
  if creation and not creation.begun then return create(self, lease, tag, number) end
  self.db:guard(self.statements.held, tag, lease.number, lease.fence)
end

-- Puts a statement into the batch that is done while this process drives the run.
local function add(self, lease, statement, ...)
  if self.part_of ~= lease then begin_part(self, lease) end
  self.db:add(self.statements[statement], 0, ...)
end

local function note_last(self, lease)
  lease.noted_row = lease.last_row
  self.db:add(self.statements.last_row, 0, lease.number, lease.last_row)
end

-- The number of a run's next row, and that of the one before. The run's own row may not be too far behind.
local function next_number(self, lease)
  local number, previous = self.row_number + 1, lease.last_row
  if self.part_of ~= lease then begin_part(self, lease, number) end
  self.row_number, lease.last_row = number, number
  if number > (lease.noted_row or 0) + LAG then note_last(self, lease) end
  return number, previous
end

--- Calls `append(...)`, which puts things of a run into the batch: all of them, or nothing when it raises. Then the
--- run's lease is good for nothing further.
function Store:whole(append, ...)
  local count, bytes = self.db:pending()
  local asked = #self.asked
  local ok, raised = pcall(append, ...)
  if ok then return end
  self.db:truncate(count, bytes)
  for i = #self.asked, asked + 1, -1 do self.asked[i] = nil end
  self.part_of = nil
  error(raised, 0)
end

--- Puts a row of a run into the batch: what it learned, or asked for.
---@param lease table
---@param seq integer   its place in the run
---@param kind string
---@param time number
---@param ... any       the further columns of the journal: request, name, branch, line, attempt, duration, body, error, usage, readings
function Store:append(lease, ...)
  local number, previous = next_number(self, lease)
  self.db:add(self.statements.row, 0, number, previous, lease.number, ...)
end

--- Puts a request for entities into the batch, with its row.
---@param request orchlua.Request
---@param seq integer
---@param time number
---@param branch? string
---@param line integer
function Store:append_entity(lease, request, seq, time, branch, line)
  local number, previous = next_number(self, lease)
  local row = { entity = request, seq = seq, time = time, request = request.number, name = request.agent_id, branch = branch, line = line }
  if not entities.append(self, lease, row, number, previous) then
    self.db:add(self.statements.row, 0, number, previous, lease.number, seq, "request", time, row.request, row.name, branch, line)
  end
end

--- A message to a run has become a row.
---@param number integer   the message's
function Store:taken(lease, number) add(self, lease, "taken", number) end

--- Another program has taken over.
---@param program { name: string, source: string, first_line: integer, indent: integer }
---@param title string
function Store:replace_program(lease, program, title)
  if self.part_of ~= lease then begin_part(self, lease) end
  add(self, lease, "taken_over", lease.number, add_program(self, program), title)
end

--- Says in a run's row how the run stands.
---@param state { status: string, time: number, due: number?, steps: integer, outcome: any, released: boolean, usage: any }
function Store:say_state(lease, state)
  add(self, lease, "rest", lease.number, lease.last_row, state.status, state.time, state.due, state.steps, text_or_nil(state.outcome), state.released,
    text_or_nil(state.usage))
  lease.noted_row = lease.last_row
end

--- Has the next commit tell whether this process still drives a run.
function Store:ask_lease(lease)
  if self.part_of ~= lease then begin_part(self, lease) end
end

--- Says in a run's row which is its last row of the journal.
function Store:say_last(lease)
  if self.part_of ~= lease then begin_part(self, lease) end
  note_last(self, lease)
end

--- Puts a snapshot of a run into the batch, as the run is behind the row `seq`, its last. Behind the snapshot before this one
--- long bodies are cut, but not while a row of an entity may still have to answer; what is older than the history is let go. One at
--- the same place takes the other's: another program has taken over there.
---@param seq integer
---@param body string
---@param changing boolean   a request about an entity is in flight
function Store:snapshot(lease, seq, body, changing)
  local marks = lease.marks or {}
  lease.marks = marks
  local before, one_more = marks[#marks], marks[#marks - 1]
  add(self, lease, "forget", lease.number)
  add(self, lease, "snapshot", lease.number, seq, lease.last_row, body)
  if before and before.seq == seq then return end
  marks[#marks + 1] = { seq = seq, row = lease.last_row }
  lease.cut_to = lease.cut_to or one_more and one_more.seq or 0
  if before and not changing then
    add(self, lease, "cut", before.row, lease.cut_to, self.HISTORY_BODY)
    lease.cut_to = before.seq
  end
  while marks[2] and seq - marks[1].seq >= self.retention.rows do
    add(self, lease, "thin", marks[1].row, 0)
    add(self, lease, "unmark", lease.number, marks[1].seq)
    table.remove(marks, 1)
  end
end

--- What became of a request about entities that was in flight when its run was left.
---@return { value: any, error: orchlua.Error? }? answer, orchlua.Error? err
function Store:answered(lease, request)
  return entities.answered(self, lease, request)
end

-- Committing ------------------------------------------------------------------------------------

--- Whether anything waits to be committed.
function Store:pending()
  return self.db:pending() > 0
end

-- The outcome of most batches.
local AS_MEANT = { refused = {}, answers = {} }

-- The outcome of a batch in the words of the runtime.
local function understood(self, guards, asked, answers, err, seconds)
  if not answers then return nil, fault.of(self.path, err) end
  self.commit_seconds = seconds
  if not answers[1] and not asked[1] then return AS_MEANT end
  local outcome = { refused = {}, answers = {} }
  for _, row in ipairs(answers) do
    local tag = row[1]
    if tag < 0 then
      outcome.refused[guards[-tag]] = true
    else
      local rows = asked[tag].rows
      rows[#rows + 1] = row
    end
  end
  for i, one in ipairs(asked) do outcome.answers[i] = { lease = one.lease, request = one.request, outcome = entities.answer(one) } end
  return outcome
end

-- Another batch is begun when the commit has not raised, with tables that were made before:
-- what is done may not fail for want of memory.

--- Commits the batch at once, while nothing else goes on.
---@return { refused: table<table, true>, answers: table[] }? outcome   leases that are lost; what entities answered
---@return orchlua.Error? err
function Store:commit()
  local guards, asked, next_guards, next_asked = self.guards, self.asked, {}, {}
  local answers, err, seconds = self.db:commit()
  self.guards, self.asked, self.part_of = next_guards, next_asked, nil
  return understood(self, guards, asked, answers, err, seconds)
end

--- Commits the batch on the store's thread; `done(outcome, err)` is called in a turn of the loop.
function Store:commit_later(done)
  local guards, asked, next_guards, next_asked = self.guards, self.asked, {}, {}
  self.db:commit_later(function(answers, err, seconds) done(understood(self, guards, asked, answers, err, seconds)) end)
  self.guards, self.asked, self.part_of = next_guards, next_asked, nil
end

--- Waits for the batch that is with the store's thread; nobody hears of it.
---@return boolean durable   whether it is
function Store:settle() return (self.db:settle()) ~= nil end

--- Leaves out all that was put into the batch.
function Store:void()
  self.db:truncate(0, 0)
  self.guards, self.asked, self.part_of = {}, {}, nil
end

--- Puts a sign of life into the batch. When it comes so late that others may have taken runs over meanwhile, the store itself
--- is among those that are refused.
function Store:renew()
  if not self.driver then return end
  local guards = self.guards
  self.part_of = nil
  guards[#guards + 1] = self
  self.db:guard(self.statements.in_time, -#guards, self.driver, leases.SECONDS * IN_TIME)
  self.db:guard(self.statements.always, 0)
  self.db:add(self.statements.renew, 0, self.driver, core.loop.clock())
end

return Store
