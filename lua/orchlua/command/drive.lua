-- Driving one run to its end for a person: signals, the view, the result on standard
-- output, and the exit status. `run` and `resume` share it.

local diagnostics = require "orchlua.command.diagnostics"
local output = require "orchlua.command.output"
local stdout = require "orchlua.command.stdout"
local store = require "orchlua.command.store"
local terminal = require "orchlua.command.terminal"

local M = {}

-- The exit statuses of the command.
M.STATUS = { completed = 0, failed = 1, stopped = 1, usage = 2, cancelled = 3, parked = 4 }
local SIGNALS = { INT = 130, TERM = 143 }

--- Shows an error that kept everything from starting; gives the exit status.
function M.complain(err)
  io.stderr:write(diagnostics.text(err, diagnostics.painter()), "\n")
  return M.STATUS.usage
end

-- Ctrl-C stops: a run in a store is kept as it is, one in memory is cancelled, so that
-- its FINALLY blocks run. A second one ends everything at once.
local function watch_signals(runtime, run, view)
  local stopped = {}
  for name, status in pairs(SIGNALS) do
    stopped[name] = runtime.loop_handle:signal(name, function()
      if stopped.status then
        runtime:close()
        os.exit(status, false)
      end
      stopped.status = status
      view.stopping(name)
      if not runtime.journal then run:deliver { kind = "cancel", reason = "stopped by SIG" .. name } end
    end)
  end
  return stopped
end

local function drive(options, runtime, run, view)
  local stopped = watch_signals(runtime, run, view)
  view.attach(runtime, run)
  runtime:loop {
    until_parked = options.until_parked,
    stop = function() return runtime.journal ~= nil and stopped.status ~= nil end,
  }
  stopped.status = stopped.status or SIGNALS[runtime.loop_handle:pending_signal()]
  view.close()
  for name in pairs(SIGNALS) do stopped[name]:close() end
  return stopped.status
end

local function exit_status(run, stopped)
  if run.status == "running" then return stopped or M.STATUS.parked end
  if stopped and run.status ~= "completed" and run.status ~= "failed" then return stopped end
  return M.STATUS[run.status]
end

local function say(text, ...)
  io.stderr:write("orchlua: ", text:format(...), "\n")
end

local function tell_error(run)
  io.stderr:write(diagnostics.text(run.error, diagnostics.painter()), "\n")
  if run.error.trace and os.getenv "ORCHLUA_TRACE" then io.stderr:write(run.error.trace, "\n") end
end

local function resume_command(options, run)
  return ("orchlua resume %s%s"):format(terminal.quoted(run.id), store.as_option(options))
end

local tell = {}

function tell.failed(options, run, kept)
  tell_error(run)
  if kept and not options.quiet then say("run %s stopped there; to go on from that statement: %s", run.id, resume_command(options, run)) end
end

function tell.stopped(options, run, kept, signalled)
  if run.error and not signalled then tell_error(run) end
  if run.error and run.error.type == "lease" then return end
  if kept then say("run %s is kept; to go on: %s", run.id, resume_command(options, run)) else say("run %s was stopped", run.id) end
end

-- A name that the run awaits a message from, where it says one: nothing is in flight, so it is a signal's.
local function awaited(run)
  local names = {}
  for _, branch in pairs(run.branches or {}) do
    local wait = branch.wait
    if wait and wait.mail and wait.from then names[#names + 1] = wait.from[1] end
  end
  table.sort(names)
  return names[1]
end

function tell.running(options, run, kept, signalled)
  if signalled then return tell.stopped(options, run, kept, signalled) end
  if options.quiet then return end
  if kept then
    say("run %s only waits for a timer or a signal; to go on: %s", run.id, resume_command(options, run))
    local name = awaited(run)
    if name then say("it awaits a message: orchlua signal %s %s VALUE%s", terminal.quoted(run.id), terminal.quoted(name), store.as_option(options)) end
  else
    say("run %s only waits for a timer or a signal; in memory, it ends here", run.id)
  end
end

function tell.cancelled(options, run, _, signalled)
  if signalled then return say("run %s was stopped by a signal", run.id) end
  if not options.quiet then say("run %s was cancelled%s", run.id, run.error and ": " .. run.error.message or "") end
end

function tell.completed(options, run, kept)
  if kept and stdout:is_lost() then
    say("run %s completed, and its result is kept: orchlua show %s --output json%s", run.id, terminal.quoted(run.id), store.as_option(options))
  end
end

--- Drives a run to its end, or until it is stopped; closes the runtime.
---@param options { output: string, quiet: boolean, until_parked: boolean?, store: string? }
---@return integer status   for the process to exit with
function M.run(options, runtime, run, view)
  local signalled = drive(options, runtime, run, view)
  output.result(options, run, run.program)
  local kept = runtime.journal ~= nil
  runtime:close()
  tell[run.status](options, run, kept, signalled)
  return exit_status(run, signalled)
end

return M
