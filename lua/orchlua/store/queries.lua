-- What people and `resume --all` ask of a store: methods of `store/sqlite.lua`.

local core = require "orchlua.core"
local statements = require "orchlua.store.statements"

local json = core.json

local M = {}

local RUNS = [[SELECT run.*, program.name AS file, driver.host, driver.boot, driver.pid, driver.started, driver.renewed
  FROM run JOIN program ON program.number = run.program LEFT JOIN driver ON driver.number = run.driver ]]

local function with_options(rows, err)
  for _, run in ipairs(rows or {}) do run.options = json.decode(run.options) end
  return rows, err
end

--- The runs of the store, the latest first.
---@param filter { status: string?, limit: integer? }
---@return table[]? runs, orchlua.Error? err
function M:list(filter)
  return with_options(self:query(RUNS .. "WHERE ?1 IS NULL OR status = ?1 ORDER BY created DESC, run.number DESC LIMIT ?2", filter.status, filter.limit or -1))
end

-- Runs that are looked at in one go.
M.DUE_AT_ONCE = 1000

-- Sub-runs are driven with their parents; one whose parent has ended is to be ended.
local DRIVEN_ALONE = "(parent IS NULL OR NOT EXISTS (SELECT 1 FROM run AS above WHERE above.id = run.parent AND above.status = 'running'))"

--- The runs that somebody should drive now, and nobody does: those that were cut off,
--- those whose timer or message is due, and sub-runs that a crash left behind.
---@param after? integer   the number that was given with the runs before these
---@return table[]? runs, orchlua.Error|integer|nil last   an error; or, when there may be more runs, the number to ask on from
function M:due(after)
  local rows, err = with_options(self:query(RUNS .. [[WHERE ]] .. DRIVEN_ALONE .. [[ AND run.number > ?2 AND run.number IN (
      SELECT number FROM run WHERE status = 'running' AND due IS NULL
      UNION SELECT number FROM run WHERE due <= ?1
      UNION SELECT number FROM run WHERE parent IS NOT NULL AND status = 'running'
      UNION SELECT message.run FROM message JOIN run ON run.number = message.run WHERE run.status = 'running'
    ) ORDER BY run.number LIMIT ?3]], core.loop.clock(), after or -1, M.DUE_AT_ONCE))
  if not rows then return nil, err end
  local free = {}
  for _, run in ipairs(rows) do
    if not self:holder(run) then free[#free + 1] = run end
  end
  return free, #rows == M.DUE_AT_ONCE and rows[#rows].number or nil
end

--- The ids of a run's sub-runs that have not ended.
---@return { id: string }[]? rows, orchlua.Error? err
function M:children(id)
  return self:query("SELECT id FROM run WHERE parent = ? AND status = 'running'", id)
end

--- When the next timer behind a time is due, of the runs that wait; seconds since the epoch, nil without one.
function M:next_due(time)
  local rows = self:query("SELECT min(due) AS due FROM run WHERE due > ?", time)
  return rows and rows[1].due
end

--- When the next of the runs that this driver holds is due; nil without one.
function M:next_due_of_mine()
  local rows = self:query("SELECT due FROM run WHERE due IS NOT NULL AND driver = ? ORDER BY due LIMIT 1", self.driver)
  return rows and rows[1] and rows[1].due
end

--- How many runs this driver holds.
---@return integer? count, orchlua.Error? err
function M:count_of_mine()
  local rows, err = self:query("SELECT count(*) AS count FROM run WHERE driver = ?", self.driver)
  return rows and rows[1].count, err
end

--- Whether this driver holds a run.
function M:is_mine(id)
  local rows = self:query("SELECT 1 FROM run WHERE id = ? AND driver = ?", id, self.driver)
  return rows ~= nil and rows[1] ~= nil
end

--- The runs that this driver holds and that are due.
---@return { id: string }[]? rows, orchlua.Error? err
function M:due_of_mine(time)
  return self:query("SELECT id FROM run WHERE due <= ? AND driver = ? ORDER BY due", time, self.driver)
end

local function delete_run(self, run)
  for _, deletion in ipairs {
    { "DELETE FROM journal WHERE number IN (" .. statements.chain .. "SELECT number FROM chain)", run.last, 0 },
    { "DELETE FROM snapshot WHERE run = ?", run.number }, { "DELETE FROM message WHERE run = ?", run.number },
    { "DELETE FROM run WHERE number = ?", run.number },
  } do
    local rows, err = self:query(table.unpack(deletion))
    if not rows then return err end
  end
end

-- What ended before a time, the longest ago first. A sub-run stays while its parent may still ask what it came to.
local ENDED_BEFORE = "WHERE status <> 'running' AND changed < ?1 AND " .. DRIVEN_ALONE .. " ORDER BY changed LIMIT ?2"

-- Those of them that are deleted in one transaction: so many rows of the journal, about, and one at least; without what
-- somebody takes up again in this moment, or has just tried to.
local function ended_before(self, time, rows)
  local list, err = self:query("SELECT run.*, driver.host, driver.boot, driver.pid, driver.started, driver.renewed, journal.seq FROM run"
    .. " LEFT JOIN driver ON driver.number = run.driver LEFT JOIN journal ON journal.number = run.last " .. ENDED_BEFORE, time, rows)
  if not list then return nil, err end
  local free, count = {}, 0
  for _, run in ipairs(list) do
    local mine = self.taken_up[run.number] or run.driver and run.driver == self.driver
    if not mine and not self:holder(run) then
      count = count + (run.seq or 0)
      if free[1] and count > rows then break end
      free[#free + 1] = run
    end
  end
  return free
end

local UNUSED = "DELETE FROM program WHERE number = ? AND NOT EXISTS (SELECT 1 FROM run WHERE run.program = program.number)"

-- Deletes runs inside a transaction; on an error nothing is deleted.
local function delete_ended(self, time, rows)
  local runs, err = ended_before(self, time, rows)
  for _, run in ipairs(runs or {}) do
    err = err or delete_run(self, run) or select(2, self:query(UNUSED, run.program))
  end
  return runs and #runs, err
end

--- Deletes runs that ended before a time, in one transaction.
---@param time number     seconds since the epoch
---@param rows integer    of the journal, about: fewer unless one run has more
---@return integer? deleted, orchlua.Error? err
function M:prune_some(time, rows)
  local some, err = self:query("SELECT 1 FROM run " .. ENDED_BEFORE, time, 1)
  if not some then return nil, err end
  if #some == 0 then return 0 end
  return self:transaction(function() return delete_ended(self, time, rows) end)
end

-- Rows of the journal that one transaction deletes: others write in between.
local ROWS_AT_ONCE = 10000

--- Deletes all runs that ended before a time.
---@return integer? deleted, orchlua.Error? err
function M:prune(time)
  local total = 0
  repeat
    local count, err = self:prune_some(time, ROWS_AT_ONCE)
    if not count then return nil, err end
    total = total + count
  until count == 0
  return total
end

return M
