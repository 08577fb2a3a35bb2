-- What a unit returns to the scheduler when it waits or ends: one function for
-- each operation of `dsl/emit/statement.lua`, called as (run, branch, site, …). What
-- is wrong with an operation's arguments raises, at the operation's site. True and a value
-- are given when the branch goes on with it at once.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local events = require "orchlua.run.events"
local flow = require "orchlua.run.flow"
local mailbox = require "orchlua.run.mailbox"
local parallel = require "orchlua.run.parallel"

local value = core.value

local M = {}

local function seconds(n, what)
  if type(n) ~= "number" then
    errors.raise("type", ("%s takes a number of seconds, and got %s"):format(what, check.shown(n)))
  end
  if n < 0 then errors.raise("type", ("%s takes 0 seconds or more, and got %s"):format(what, check.shown(n))) end
  return n
end

M.event = events.raise
M.parallel = parallel.start

function M.await(run, branch, site, mode, from, timeout)
  if timeout == value.null then timeout = nil end
  mailbox.await(run, branch, site, mode, from, timeout and seconds(timeout, "TIMEOUT"))
end

function M.wait(run, branch, site, n)
  run:await(branch, site, { sleep = true }, seconds(n, "WAIT"))
end

-- The run is left first: the PARALLEL around, if this is its last child, is cancelled then,
-- and neither goes on nor fails for another child.
M["return"] = function(run, branch, result)
  run:drop(branch)
  run:leave { status = "completed", result = value.copy(result) }
  run:branch_ended(branch)
end

function M.done(run, branch)
  run:branch_ended(branch)
end

M.cancelled = M.done

-- Strands of patterns ---------------------------------------------------------------

function M.strands(run, branch, site, count, limit)
  parallel.start_strands(run, branch, site, count, limit)
end

--- The code of a pattern has returned.
function M.played(run, branch, _, result)
  local record = flow.ended(run, branch)
  run:branch_ended(branch)
  events.pattern_ended(run, record, result)
end

--- The code of a pattern, or of one of its parallel children, has raised.
function M.raised(run, branch, _, err)
  local record = flow.ended(run, branch)
  branch.failure = err
  run:branch_ended(branch)
  if record then events.pattern_ended(run, record, nil, err) end
end

return M
