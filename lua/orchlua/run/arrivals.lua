-- What the world says, by the kind of its row: the only things that change a run.
--   start                          the run begins
--   reply  request body | error    a request has been answered: `body` is the answer's text
--   try    request attempt         a request is about to be sent again
--   timer  wait                    the time of a wait is over
--   signal name body               a message from outside, `body` its JSON
--   cancel reason
--   resume outage crashed          somebody drives the run again
-- A row has the `time` at which it came, in seconds since the epoch.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local events = require "orchlua.run.events"
local mailbox = require "orchlua.run.mailbox"
local revive = require "orchlua.run.revive"

local json = core.json

local M = {}

function M.start(run, row)
  run.started = row.time
  local main = run:branch(run.program.units[1], nil)
  run.main = main
  for _, name in ipairs(run.inputs) do main.frame[name] = run.inputs[name] end
  run:publish("run:started", { program = run.program.title or run.program.name, input = run.inputs })
  run:wake(main)
end

function M.timer(run, row)
  local whom = run.timers[row.wait]
  if not whom then return end
  row.duration = whom.wait.seconds
  if whom == run.leaving then return run:finish() end
  row.branch = whom.label
  run:wake(whom, nil)
end

function M.reply(run, row)
  local request = run.requests[row.request]
  if not request then return end
  run.requests[row.request] = nil
  run.request_total = run.request_total - 1
  events.answered(run, request, row)
end

-- The try waits for this row to be kept before it is made.
M["try"] = function(run, row)
  local request = run.requests[row.request]
  if not request then return end
  request.attempt = row.attempt
  run.outbox[#run.outbox + 1] = { effect = "try", request = request }
end

function M.signal(run, row)
  local signalled = json.decode(row.body)
  run:publish("signal", { name = row.name, data = signalled })
  mailbox.signal(run, row.name, signalled)
end

function M.cancel(run, row)
  run:leave { status = "cancelled", error = errors.new("cancelled", row.reason or "the run was cancelled"), reason = row.reason }
end

M.resume = revive.resumed

return M
