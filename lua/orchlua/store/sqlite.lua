-- The store in a SQLite file: what runs write is gathered into a batch, and the whole
-- batch becomes durable in one transaction, or none of it. Each run's part stands
-- behind a guard that asks whether this process still drives the run. The runtime
-- talks to this interface alone; `store/memory.lua` has the same.

local core = require "orchlua.core"
local entities = require "orchlua.store.entities"
local errors = require "orchlua.error"
local lfs = require "lfs"
local process = require "orchlua.store.process"
local queries = require "orchlua.store.queries"
local schema = require "orchlua.store.schema"
local statements = require "orchlua.store.statements"

local json, value = core.json, core.value
local LAG, null = statements.lag, value.null

local M = {}

-- Seconds that a driver holds its runs without a sign of life, and between two signs.
M.LEASE_SECONDS, M.RENEW_SECONDS = 10, 3
-- The part of a lease's time after which a sign of life counts as late: SQLite's clock is coarser than others'.
local IN_TIME = 0.9
-- Bytes that a row behind a snapshot keeps of its body.
M.HISTORY_BODY = 256
-- Rows that a run keeps behind its snapshot, and days that a run is kept after it has
-- ended, unless the configuration says otherwise.
local RETENTION = { rows = 10000, days = 30 }

-- Seconds without a sign of life after which a driver that holds no run is forgotten.
local FORGOTTEN_SECONDS = 86400

-- Rows of runs that ended long ago which a driver deletes, for each row that it has written, and as many more.
local DELETED_FOR_ONE, DELETED_ANYWAY = 2, 100

-- Numbers of runs and of rows are unique in the store: so many for each driver.
local NUMBERS_OF_A_DRIVER = 1 << 36

---@class orchlua.SqliteStore
---@field durable boolean
---@field commit_seconds number   that the last commit took
local Store = {}
Store.__index = Store
for name, query in pairs(queries) do Store[name] = query end

-- Opening ----------------------------------------------------------------------------

local function store_error(path, err)
  local hints = {
    [8] = "the file or its folder cannot be written", [13] = "the disk is full: make room, then resume the run",
    [10] = "the disk did not take or give the data", [5] = "another process kept the store locked for too long",
    [11] = "the file is damaged", [26] = "give another file with --store",
  }
  return errors.new("store", ("the store %s: %s"):format(path, err.message), { code = err.code, hint = hints[err.code] })
end

local function make_folders(path)
  local folder = path:match "^(.*)/[^/]*$"
  if not folder or folder == "" or lfs.attributes(folder, "mode") then return end
  make_folders(folder)
  lfs.mkdir(folder)
end

local function query_one(self, sql, ...)
  local rows, err = self.db:query(sql, ...)
  if not rows then return nil, store_error(self.path, err) end
  return rows[1]
end

local function migrate(self, from)
  for version = from + 1, #schema.migrations do
    local ok, err = self.db:execute(("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; COMMIT"):format(schema.migrations[version], version))
    if not ok then return err end
  end
end

-- An empty file becomes a store; one of an older release is brought up to date.
local function prepare(self)
  local head, err = query_one(self, [[SELECT (SELECT count(*) FROM sqlite_master) AS tables, application_id, user_version
    FROM pragma_application_id, pragma_user_version]])
  if not head then return err end
  if head.tables == 0 and head.application_id == 0 then
    local ok, problem = self.db:execute(("PRAGMA journal_mode = WAL; PRAGMA application_id = %d"):format(schema.APPLICATION_ID))
    if not ok then return store_error(self.path, problem) end
  elseif head.application_id ~= schema.APPLICATION_ID then
    return errors.new("store", self.path .. " is a database of something else", { hint = "give another file with --store" })
  end
  if head.user_version > #schema.migrations then
    return errors.new("store", ("%s was written by a newer release of orchlua (its version is %d, this one knows %d)"):format(
      self.path, head.user_version, #schema.migrations), { hint = "use that release, or give another file with --store" })
  end
  if head.user_version < #schema.migrations then
    local problem = migrate(self, head.user_version)
    -- Another process may have been quicker.
    if problem and (query_one(self, "PRAGMA user_version") or {}).user_version ~= #schema.migrations then return store_error(self.path, problem) end
  end
end

-- How a commit is made durable, or is not, by itself.
local DURABLE = { [true] = "PRAGMA synchronous = FULL", [false] = "PRAGMA synchronous = NORMAL" }

local function set_up(self, relaxed)
  local problem = prepare(self)
  if problem then return problem end
  -- What is asked at once comes before a batch in the same log: the batch's commit makes it durable, too.
  local ok, err = self.db:execute "PRAGMA synchronous = NORMAL"
  if ok then ok, err = self.db:set_writer(DURABLE[not relaxed]) end
  if not ok then return store_error(self.path, err) end
  for name, sql in pairs(statements) do self.statements[name] = self.db:statement(sql) end
end

-- SQLite does not wait by itself when several processes turn one new file into a store.
local BUSY, ATTEMPTS, PAUSE_SECONDS = 5, 500, 0.02

local function set_up_patiently(self, loop, relaxed)
  local problem
  for _ = 1, ATTEMPTS do
    problem = set_up(self, relaxed)
    if not problem or problem.code ~= BUSY then return problem end
    loop:turn(PAUSE_SECONDS)
  end
  return problem
end

--- Opens a store, making it where there is none.
---@param loop any   a core loop
---@param path string
---@param options? { relaxed: boolean?, retention: { rows: integer, days: number }? }   relaxed: no fsync at a commit
---@return orchlua.SqliteStore? store, orchlua.Error? err
function M.open(loop, path, options)
  options = options or {}
  make_folders(path)
  local db, err = loop:database { path = path, log_ahead = not options.relaxed }
  if not db then return nil, store_error(path, err) end
  local self = setmetatable({
    durable = true, relaxed = options.relaxed or false, db = db, path = path, statements = {}, retention = options.retention or RETENTION,
    guards = {}, asked = {}, taken_up = {}, run_count = 0, row_number = 0, commit_seconds = 0, part_of = nil, here = process.this(),
  }, Store)
  local problem = set_up_patiently(self, loop, options.relaxed)
  if not problem then return self end
  db:close()
  return nil, problem
end

--- Deletes some of the runs that ended long ago, in proportion to what was written since the last time: it costs no
--- more than that did. What ended since this process signed in stays.
function Store:tidy()
  if not self.driver then return end
  local rows = DELETED_ANYWAY + DELETED_FOR_ONE * (self.row_number - self.tidied)
  self.tidied = self.row_number
  self:prune_some(math.min(core.loop.clock() - self.retention.days * 86400, self.signed_in), rows)
end

--- Lets go of all runs, and closes the file. A batch that is with the thread is committed first.
function Store:close()
  if self.driver then
    self:tidy()
    self.db:query("UPDATE run SET driver = NULL, changed = ? WHERE driver = ?", core.loop.clock(), self.driver)
    self.db:query("DELETE FROM driver WHERE number = ?", self.driver)
    self.driver = nil
  end
  self.db:close()
end

-- What is asked at once ------------------------------------------------------------------

--- Rows of a query, or nil and an error.
function Store:query(sql, ...)
  local rows, err = self.db:query(sql, ...)
  if rows then return rows end
  return nil, store_error(self.path, err)
end

--- Signs this process in as a driver, when it has not.
---@return orchlua.Error? err
function Store:sign_in()
  if self.driver then return end
  local here = self.here
  local now = core.loop.clock()
  local rows, err = self:query("INSERT INTO driver (host, boot, pid, started, renewed) VALUES (?, ?, ?, ?, ?) RETURNING number",
    here.host, here.boot, here.pid, here.started, now)
  if not rows then return err end
  self.driver, self.signed_in = rows[1].number, now
  self.row_number = self.driver * NUMBERS_OF_A_DRIVER
  self.tidied = self.row_number
  -- A driver that was killed left its row here.
  self:query("DELETE FROM driver WHERE renewed < ? AND NOT EXISTS (SELECT 1 FROM run WHERE run.driver = driver.number)",
    now - FORGOTTEN_SECONDS)
end

--- A run's row, with its program; nil when there is none of this id.
---@param id string
---@return table? run, orchlua.Error? err
function Store:find(id)
  local rows, err = self:query([[SELECT run.*, ]] .. statements.last .. [[ AS last, program.name AS file, program.source, program.first_line, program.indent,
    driver.host, driver.boot, driver.pid, driver.started, driver.renewed
    FROM run JOIN program ON program.number = run.program LEFT JOIN driver ON driver.number = run.driver WHERE run.id = ?]], id)
  if not rows then return nil, err end
  local run = rows[1]
  if not run then return nil, errors.new("run", ("there is no run `%s` in %s"):format(id, self.path)) end
  run.options = json.decode(run.options)
  return run
end

-- Whether somebody else drives a run, as far as can be known here.
local function held_by_other(self, run)
  if not run.driver or run.driver == self.driver then return false end
  if not run.renewed then return false end
  return not process.dead(run, self.here) and run.renewed + M.LEASE_SECONDS > core.loop.clock()
end
M.held_by_other = held_by_other

--- Who drives a run, in words; nil when nobody does.
---@param run table   as `find` gives it
function Store:holder(run)
  if not held_by_other(self, run) then return nil end
  return ("process %d on %s"):format(run.pid, run.host)
end

local function held_error(self, run)
  return errors.new("lease", ("the run `%s` is being driven by %s"):format(run.id, self:holder(run)),
    { hint = "wait until that process ends, or stop it; `orchlua signal` and `orchlua cancel` reach it" })
end

--- Takes the lease of a run: from now on this process drives it.
---@param id string
---@return table? run   as `find` gives it, with its new `fence`; `crashed` when its last driver never let it go
---@return orchlua.Error? err
function Store:take(id)
  local err = self:sign_in()
  if err then return nil, err end
  local ok, problem = self.db:execute "BEGIN IMMEDIATE"
  if not ok then return nil, store_error(self.path, problem) end
  local run
  run, err = self:find(id)
  if run and held_by_other(self, run) then
    err = held_error(self, run)
  elseif run then
    err = select(2, self:query("UPDATE run SET driver = ?, fence = fence + 1 WHERE number = ?", self.driver, run.number))
  end
  ok, problem = self.db:execute(err and "ROLLBACK" or "COMMIT")
  if not err and not ok then err = store_error(self.path, problem) end
  if err then return nil, err end
  run.crashed, run.driver_before = run.driver ~= nil, run.driver
  run.last_driven = math.max(run.changed, run.driver and run.renewed or 0)
  run.fence, run.driver = run.fence + 1, self.driver
  return run
end

--- Lets a run go that was taken and not driven: all is as before, the crash of an earlier driver too.
---@param run table   as `take` gives it
function Store:release(run)
  self.taken_up[run.number] = true
  return self:query("UPDATE run SET driver = ? WHERE number = ? AND fence = ?", run.driver_before, run.number, run.fence)
end

-- Rows of a run, from one of them back to the one with seq `after`, which is not among them.
local function chain(self, last, after, limit)
  return self:query(statements.chain .. [[SELECT journal.* FROM chain JOIN journal ON journal.number = chain.number
    ORDER BY chain.seq DESC LIMIT ?3]], last, after, limit or -1)
end

local function reversed(list)
  local result = {}
  for i = #list, 1, -1 do result[#result + 1] = list[i] end
  return result
end

--- What a run is brought back from: its snapshot, and the rows behind it. `marks` are
--- where its snapshots were, the oldest first.
---@return { seq: integer, body: string?, marks: { seq: integer, row: integer }[] }? snapshot, table[]|orchlua.Error rows
function Store:load(run)
  local marks, err = self:query("SELECT seq, row, body FROM snapshot WHERE run = ? ORDER BY seq", run.number)
  if not marks then return nil, err end
  local newest = marks[#marks] or { seq = 0 }
  local rows
  rows, err = chain(self, run.last, newest.seq)
  if not rows then return nil, err end
  local body = newest.body
  for _, mark in ipairs(marks) do mark.body = nil end
  return { seq = newest.seq, body = body, marks = marks }, reversed(rows)
end

--- The last rows of a run, in order.
---@param limit integer
---@return table[]? rows, orchlua.Error? err
function Store:history(run, limit)
  local rows, err = chain(self, run.last, 0, limit)
  return rows and reversed(rows), err
end

--- What was handed to the runs of this driver from outside.
function Store:messages()
  return self:query([[SELECT message.number, run.id AS run, message.kind, message.name, message.body FROM message
    JOIN run ON run.number = message.run WHERE run.driver = ? ORDER BY message.number]], self.driver)
end

--- Hands a run a message; its driver takes it in.
---@param run table   as `find` gives it
---@param message { kind: "signal"|"cancel", name: string?, body: string? }
---@return boolean? ok, orchlua.Error? err
function Store:send(run, message)
  local ok, problem = self.db:execute(DURABLE[not self.relaxed])
  if not ok then return nil, store_error(self.path, problem) end
  local rows, err = self:query("INSERT INTO message (run, kind, name, body, sent) VALUES (?, ?, ?, ?, ?)",
    run.number, message.kind, message.name, message.body, core.loop.clock())
  if not rows then return nil, err end
  self:ring()
  return true
end

-- The bell --------------------------------------------------------------------------------

-- A store has one bell, by whatever links it was opened.
local function bell(self)
  if not self.bell_path then
    local file = query_one(self, "SELECT file FROM pragma_database_list WHERE name = 'main'")
    self.bell_path = (file and file.file or self.path) .. "-bell"
  end
  return self.bell_path
end

--- Wakes every driver of this store, so that it looks for messages.
function Store:ring()
  local file = io.open(bell(self), "w")
  if not file then return end
  file:write "!"
  file:close()
end

--- Calls back when somebody rings.
---@return any? handle   nil where files cannot be watched: then messages are found at the next renewal
function Store:listen(loop, callback)
  if not lfs.attributes(bell(self), "mode") then self:ring() end
  return (loop:watch(bell(self), callback))
end

-- Batches ----------------------------------------------------------------------------------

local function text_or_nil(v)
  if v == nil or v == null then return nil end
  return json.encode(v)
end

--- Whether a run of this id exists.
function Store:exists(id)
  return query_one(self, "SELECT 1 AS found FROM run WHERE id = ?", id) ~= nil
end

--- A new run: it is made by its first part.
---@param run { id: string, title: string, parent: string?, options: table, created: number }
---@param program { name: string, source: string, first_line: integer, indent: integer }
---@return table? lease   what this process holds of the run, in fields that the run itself may have: `number`, `fence`, `creation`; later
---  `last_row`, `noted_row`, `marks`
---@return orchlua.Error? err
function Store:create(run, program)
  local err = self:sign_in()
  if err then return nil, err end
  self.run_count = self.run_count + 1
  return {
    number = self.driver * NUMBERS_OF_A_DRIVER + self.run_count, fence = 1,
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
--- long bodies are cut (an entity's answer may still be wanted until then), and what is older than the history is let go. One at
--- the same place takes the other's: another program has taken over there.
---@param seq integer
---@param body string
function Store:snapshot(lease, seq, body)
  local marks = lease.marks or {}
  lease.marks = marks
  local before, one_more = marks[#marks], marks[#marks - 1]
  add(self, lease, "forget", lease.number)
  add(self, lease, "snapshot", lease.number, seq, lease.last_row, body)
  if before and before.seq == seq then return end
  marks[#marks + 1] = { seq = seq, row = lease.last_row }
  if before then add(self, lease, "cut", before.row, one_more and one_more.seq or 0, M.HISTORY_BODY) end
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
  if not answers then return nil, store_error(self.path, err) end
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
  self.db:guard(self.statements.in_time, -#guards, self.driver, M.LEASE_SECONDS * IN_TIME)
  self.db:guard(self.statements.always, 0)
  self.db:add(self.statements.renew, 0, self.driver, core.loop.clock())
end

return M
