-- What the world says, by the kind of its row: the only things that change a run.
--   start                          the run begins
--   reply  request body | error    a request has been answered: `body` is the answer's text
--   try    request attempt usage   a request is about to be sent again; `usage` is what the try before
--          body message            took, `body` its answer when that was of the wrong shape, and why
--   ask    request ask agent_id worst    an agent asks another inside its call, or asks again
--   asked  request ask usage             such a question has been answered, or failed
--   timer  wait                    the time of a wait is over
--   signal name body               a message from outside, `body` its JSON
--   cancel reason
--   resume outage crashed budget   somebody drives the run again
-- A row has the `time` at which it came, in seconds since the epoch.

local budget = require "orchlua.run.budget"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local events = require "orchlua.run.events"
local mailbox = require "orchlua.run.mailbox"
local models = require "orchlua.run.models"
local in_flight = require "orchlua.run.in_flight"
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
  local request = in_flight.take(run, row.request)
  if request then events.answered(run, request, row) end
end

-- A request fails without another try.
local function fail(run, request, err)
  if not errors.is(err) then error(err, 0) end
  in_flight.take(run, request.number)
  run:want { effect = "abandon", request = request }
  events.answered(run, request, { error = err, attempts = request.attempt, duration = 0 })
end

-- The try waits for this row to be kept before it is made.
M["try"] = function(run, row)
  local request = in_flight.find(run, row.request)
  if not request then return end
  if request.open or request.asks then budget.close(run, request, row.usage) end
  if row.message then models.asked_again(run, request, { answer = row.body, message = row.message }) end
  local ok, refused = pcall(budget.open, run, request)
  if not ok then return fail(run, request, refused) end
  request.attempt = row.attempt
  run:want { effect = "try", request = request }
end

-- A question inside an agent's call waits for its row to be kept, and for the budget.
function M.ask(run, row)
  local request = in_flight.find(run, row.request)
  if not request then return end
  local ok, refused = pcall(budget.ask, run, request, row)
  run:want { effect = "ask", request = request, ask = row.ask, refused = not ok and refused or nil }
end

function M.asked(run, row)
  local request = in_flight.find(run, row.request)
  if request then budget.asked(run, request, row.ask, row.usage) end
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
