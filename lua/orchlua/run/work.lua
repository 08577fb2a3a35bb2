-- What a run has in hand while it is at work: rows that have come, branches that are ready, what it wants done, and how
-- far it has got. A run takes it up when a row comes. One that waits for nobody's answer puts it down, and it is
-- lent to the next of its kind that goes to work: so a run that waits is small.

local failure = require "orchlua.run.failure"

local M = {}

---@class orchlua.Work
---@field run orchlua.Run|false
---@field driven boolean           `drive` is on the stack
---@field arrivals table[]         rows that have come, from `arrivals_first` on; behind them those of
---@field arriving table[]         which there are `arriving_last`: they are `arrivals` next, so that places are used again
---@field row table|false          the one that was taken last, until what it led to is complete
---@field readings table|false     what was learned since
---@field rows_left integer        how many more are taken in one go
---@field ready orchlua.Branch[]   from `ready_first` to `ready_last`, the longest first
---@field values any[]             what they go on with
---@field current orchlua.Branch|false   the one that was resumed last
---@field caught orchlua.Branch|false    one that goes on after an error, as if it had not stopped
---@field operating integer|false  the site of the operation that is being performed
---@field slice integer            loop turns between two looks at the limits
---@field granted integer          loop turns that the branch was given since its wait
---@field charged integer          and what else counts as such
---@field alone boolean            `at_once.is_alone`, as far as is known
---@field outbox table[]           what the run wants done; `outbox_taken`: a list that is empty or being performed
---@field on_error fun(raised)     the message handler

local function new()
  local work = {
    run = false, driven = false, arrivals = {}, arrivals_first = 1, arriving = {}, arriving_last = 0, row = false, readings = false, rows_left = 0, ready = {},
    values = {}, ready_first = 1, ready_last = 0, current = false, caught = false, operating = false, slice = 0, granted = 0, charged = 0, alone = false,
    outbox = {}, outbox_taken = {},
  }
  function work.on_error(raised) return failure.handle(work.run, raised) end
  return work
end

--- A run goes to work.
---@param run orchlua.Run
---@return orchlua.Work
function M.take_up(run)
  local kind = run.kind
  local work = kind.spare_work or new()
  kind.spare_work, work.run, run.work = false, run, work
  return work
end

--- Nothing is left in a run's hands: it waits, or has ended.
---@param run orchlua.Run
function M.put_down(run)
  local work = run.work
  run.kind.spare_work, run.work = work, false
  work.run, work.current, work.caught, work.readings = false, false, false, false
end

return M
