-- The short way of a question: a run in memory that does one thing at a time asks a function in Lua
-- while its one branch is being resumed, and what the function answers at once is what the branch goes on
-- with. It is what the long way comes to (a request in the outbox, performed at rest; its answer a row,
-- taken next), without the way there. A function that waits or fails is on the long way from there on.

local own = require("orchlua.run.own").own
local reply = require "orchlua.run.reply"
local requests = require "orchlua.run.request"

local PARSED, parsed, new_reply = reply.PARSED, reply.parsed, reply.new

local M = {}

--- Whether nothing but the branch that runs is alive, has come or is to be done, so that nobody could tell whether
--- it asks at once. What changes that while the branch is resumed makes `run.alone` false.
---@param run orchlua.Run
---@return boolean?
function M.is_alone(run)
  return run.ask_at_once and not run.path and run.branch_total == 1 and run.request_total == 0 and not run.budgets and not run.outbox[1]
    and not run:has_arrivals() and run.room > 0
end

-- The request: one that was answered before is written over.
local function request_of(run, branch, site, agent_id, prompt, data)
  local spare, number = run.spare_request, run.request_count + 1
  if not spare or spare.branch ~= branch.id then return requests.new(run, branch, site, "agent", agent_id, prompt, data) end
  run.spare_request = false
  spare.number, spare.key, spare.agent_id, spare.prompt, spare.data, spare.site = number, run.id .. "/" .. number, agent_id, prompt, data, site
  return spare
end

--- Asks a function: true and its reply, or nothing when the branch waits for it now.
---@param agent orchlua.Agent   a plain one
function M.ask(run, branch, site, agent, agent_id, prompt, data)
  local asked, usage, ceiling = request_of(run, branch, site, agent_id, prompt, data), own(run, "usage"), run.ceiling
  usage.calls, usage.requests = usage.calls + 1, usage.requests + 1
  run.seq, run.rows_left = run.seq + 1, run.rows_left - 1
  ceiling:leave(run)
  local text, duration, time = run:ask_at_once(asked, agent)
  ceiling:enter(run)
  if not text then return requests.register(run, branch, asked) and nil end
  local result, room = new_reply(asked, duration, 1, text, parsed(text)), run.room - PARSED * #text
  run.time, run.readings, run.seq, run.request_count, run.spare_request = time, false, run.seq + 1, asked.number, asked
  run.charged, run.granted, run.room, run.alone = 0, run.slice, room, room > 0
  if branch == run.main then run.last, run.last_request = result.result, nil end
  return true, result
end

return M
