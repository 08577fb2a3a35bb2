-- The short way of a question: a run in memory that does one thing at a time asks a function in Lua
-- while its one branch is being resumed, and what the function answers at once is what the branch goes on
-- with. It is what the long way comes to (a request in the outbox, performed at rest; its answer a row,
-- taken next), without the way there. A function that waits or fails is on the long way from there on.

local owns = require "orchlua.run.own"
local reply = require "orchlua.run.reply"
local requests = require "orchlua.run.request"

local own, unspent = owns.own, owns.shared.usage
local PARSED, parsed, new_reply = reply.PARSED, reply.parsed, reply.new

local M = {}

--- Whether nothing but the branch that runs is alive, has come or is to be done, so that nobody could tell whether
--- it asks at once. What changes that while the branch is resumed makes `work.alone` false.
---@param run orchlua.Run
---@return boolean?
function M.is_alone(run)
  return run.ask_at_once and not run.path and run.branch_total == 1 and run.request_total == 0 and not run.budgets and not run.work.outbox[1]
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
  local asked, usage, ceiling, work = request_of(run, branch, site, agent_id, prompt, data), run.usage, run.ceiling, run.work
  if usage == unspent then usage = own(run, "usage") end
  usage.calls, usage.requests = usage.calls + 1, usage.requests + 1
  run.seq, work.rows_left = run.seq + 1, work.rows_left - 1
  ceiling:leave(run)
  local text, duration, time = run:ask_at_once(asked, agent)
  ceiling:enter(run)
  if not text then return requests.register(run, branch, asked) and nil end
  local result, room = new_reply(asked, duration, 1, text, parsed(text)), run.room - PARSED * #text
  run.time, run.seq, run.request_count, run.spare_request, run.room = time, run.seq + 1, asked.number, asked, room
  work.charged, work.granted, work.alone = 0, work.slice, room > 0
  if branch == run.main then run.last, run.last_request = result.result, nil end
  return true, result
end

return M
