-- What a unit returns to the scheduler when it waits or ends: one function for
-- each operation of `dsl/emit/statement.lua`, called as (run, branch, site, …).

local core = require "orchlua.core"
local errors = require "orchlua.error"
local events = require "orchlua.run.events"
local mailbox = require "orchlua.run.mailbox"
local parallel = require "orchlua.run.parallel"

local value = core.value

local M = {}

-- Errors of an operation's arguments are the program's, at the operation's site.
local function guarded(operation)
  return function(run, branch, site, ...)
    local ok, raised = pcall(operation, run, branch, site, ...)
    if ok then return end
    if not errors.is(raised) then error(raised, 0) end
    run:throw(branch, raised, site)
  end
end

local function seconds(n, what)
  if type(n) ~= "number" then
    errors.raise("type", ("%s takes a number of seconds, and got %s"):format(what, value.text(n)))
  end
  if n < 0 then errors.raise("type", ("%s takes 0 seconds or more, and got %s"):format(what, value.text(n))) end
  return n
end

M.event = guarded(function(run, branch, site, name, data)
  events.raise(run, branch, site, name, data)
end)

M.await = guarded(function(run, branch, site, mode, from, timeout)
  if timeout == value.null then timeout = nil end
  mailbox.await(run, branch, site, mode, from, timeout and seconds(timeout, "TIMEOUT"))
end)

M.wait = guarded(function(run, branch, site, n)
  run:await(branch, site, { sleep = true }, seconds(n, "WAIT"))
end)

M.parallel = guarded(function(run, branch, site, limit, lists)
  parallel.start(run, branch, site, limit, lists)
end)

M["return"] = function(run, branch, result)
  run:branch_ended(branch)
  run:leave { status = "completed", result = value.copy(result) }
end

function M.done(run, branch)
  run:branch_ended(branch)
end

M.cancelled = M.done

return M
