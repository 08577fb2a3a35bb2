-- The store in a SQLite file: it is opened here, and asked for what it knows. `batch` gathers what runs write and
-- commits it, `lease` says who drives a run, `queries` has what the command shows. A runtime without a journal has
-- `store/memory.lua` instead, which keeps entities and nothing of runs.

local batch = require "orchlua.store.batch"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local leases = require "orchlua.store.lease"
local lfs = require "lfs"
local limits = require "orchlua.config.limits"
local fault = require "orchlua.store.fault"
local process = require "orchlua.store.process"
local queries = require "orchlua.store.queries"
local schema = require "orchlua.store.schema"
local statements = require "orchlua.store.statements"

local json = core.json

local M = {}

-- Seconds without a sign of life after which a driver that holds no run is forgotten.
local FORGOTTEN_SECONDS = 86400

-- Rows of runs that ended long ago which a driver deletes, for each row that it has written, and as many more.
local DELETED_FOR_ONE, DELETED_ANYWAY = 2, 100

-- Numbers of runs and of rows are unique in the store: so many for each driver.
local NUMBERS_OF_A_DRIVER = 1 << 36

---@class orchlua.SqliteStore
---@field commit_seconds number   that the last commit took
local Store = {}
Store.__index = Store
for name, query in pairs(queries) do Store[name] = query end
for name, method in pairs(batch) do Store[name] = method end
Store.holder, Store.take, Store.release = leases.holder, leases.take, leases.release

-- Opening ----------------------------------------------------------------------------

local function make_folders(path)
  local folder = path:match "^(.*)/[^/]*$"
  if not folder or folder == "" or lfs.attributes(folder, "mode") then return end
  make_folders(folder)
  lfs.mkdir(folder)
end

local function query_one(self, sql, ...)
  local rows, err = self.db:query(sql, ...)
  if not rows then return nil, fault.of(self.path, err) end
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
    if not ok then return fault.of(self.path, problem) end
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
    if problem and (query_one(self, "PRAGMA user_version") or {}).user_version ~= #schema.migrations then return fault.of(self.path, problem) end
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
  if not ok then return fault.of(self.path, err) end
  for name, sql in pairs(statements.of_batches) do self.statements[name] = self.db:statement(sql) end
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
  if not db then return nil, fault.of(path, err) end
  local self = setmetatable({
    relaxed = options.relaxed or false, db = db, path = path, statements = {}, retention = options.retention or limits.RETENTION,
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
  return nil, fault.of(self.path, err)
end

--- Does something in one transaction, or nothing of it when it gives an error or raises.
---@param fn fun(): any, orchlua.Error?
---@return any? result   what `fn` gives
---@return orchlua.Error? err
function Store:transaction(fn)
  local err = select(2, self:query "BEGIN IMMEDIATE")
  if err then return nil, err end
  local ok, result, problem = pcall(fn)
  if ok and not problem then problem = select(2, self:query "COMMIT") end
  if not ok or problem then self:query "ROLLBACK" end
  if not ok then error(result, 0) end
  if problem then return nil, problem end
  return result
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
  self.first_number = self.driver * NUMBERS_OF_A_DRIVER
  self.row_number, self.tidied = self.first_number, self.first_number
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
  if not ok then return nil, fault.of(self.path, problem) end
  local rows, err = self:query("INSERT INTO message (run, kind, name, body, sent) VALUES (?, ?, ?, ?, ?)",
    run.number, message.kind, message.name, message.body, core.loop.clock())
  if not rows then return nil, err end
  self:ring()
  return true
end

--- Whether a run of this id exists.
function Store:exists(id)
  return query_one(self, "SELECT 1 AS found FROM run WHERE id = ?", id) ~= nil
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

return M
