-- Requests of a run: what is sent out of it, and is answered by a row.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local in_flight = require "orchlua.run.in_flight"
local limits = require "orchlua.run.limits"
local mailbox = require "orchlua.run.mailbox"
local schemas = require "orchlua.agents.schema"

local value = core.value
local null = value.null
local type = type

local M = {}

local LEAST_SECONDS = 1e-9

local function number_option(data, field, least)
  local n = data[field]
  if n == nil or n == null then return nil end
  if type(n) ~= "number" or n < least then
    errors.raise("type", ("`%s` is a number%s, and this is %s"):format(field, least > 0 and " above 0" or " from 0", check.shown(n)))
  end
  return n
end

local function error_option(data)
  local choice = data.on_error
  if choice == nil or choice == null then return nil end
  if choice == "raise" or choice == "return" then return choice end
  errors.raise("type", ("`on_error` is \"raise\" or \"return\", and this is %s"):format(check.shown(choice)))
end

local function flag_option(data, field)
  local flag = data[field]
  if flag == nil or flag == null then return nil end
  if type(flag) ~= "boolean" then errors.raise("type", ("`%s` is true or false, and this is %s"):format(field, check.shown(flag))) end
  return flag
end

local function key_option(data)
  local key = data.idempotency_key
  if key == nil or key == null then return nil end
  if type(key) == "number" then return value.text(key) end
  if type(key) == "string" and key ~= "" then return key end
  errors.raise("type", ("`idempotency_key` is a text that is not empty, and this is %s"):format(check.shown(key)))
end

local function schema_option(data)
  local schema = data.schema
  if schema == nil or schema == null then return nil end
  local problem = schemas.problem(schema)
  if problem then errors.raise("type", "`schema`: " .. problem) end
  return schema
end

-- The fields of the data that the runtime itself reads; those about a reply's shape and
-- pieces where a reply is the answer.
local function options_of(data, replies)
  return {
    timeout = number_option(data, "timeout", LEAST_SECONDS), try_timeout = number_option(data, "try_timeout", LEAST_SECONDS),
    retries = number_option(data, "retries", 0), on_error = error_option(data), at_most_once = flag_option(data, "at_most_once"),
    task_id = data.task_id ~= null and data.task_id or nil, key = key_option(data), schema = replies and schema_option(data) or nil,
    stream = replies and flag_option(data, "stream"),
  }
end

local NO_OPTIONS = {}

---@class orchlua.Request   something sent out of the run, whose reply comes back as a row
---@field kind "agent"|"event"|"run"|"entity"|"pattern"
---@field number integer
---@field key string        its idempotency key
---@field agent_id string   whom it is for, as its reply says
---@field prompt? string
---@field data any
---@field branch integer    the branch that sent it
---@field site integer
---@field home? orchlua.Mailbox  where its reply goes when nobody waits for it
---@field awaited boolean
---@field options table     what the event's data asks of the runtime
---@field quiet? boolean    it is answered with a value of its own, not with a reply
---@field attempt integer   the try that is made, or was last
---@field history? table    a model: exchanges that it remembers, `{prompt, answer}`
---@field asked_again? { answer: string, message: string }   its answer was of the wrong shape
---@field worst? orchlua.Amount   what a try may take, of a model or a sub-run
---@field usage? orchlua.Amount   what its tries took so far
---@field cutoff? number    when the run's budget of seconds is over, since the epoch
---@field crashes? integer  how often whoever drove the run crashed while it was in flight

local function too_many_requests(run)
  error(limits.reached("requests", ("more than %d requests in flight"):format(run.limits.requests), { hint = "wait for replies with AS or AWAIT" }), 0)
end

-- What the journal keeps of a request has to fit into a row. A short prompt does.
local function check_row(run, agent_id, data, plain)
  if plain and (#data == 0 or type(data.prompt) == "string" and #data.prompt * 8 < run.limits.row) then return end
  run:check_row(agent_id, data)
end

--- The run's next request, not sent yet.
---@param replies? boolean   a reply is the answer, also of what is no agent
---@return orchlua.Request
function M.new(run, branch, site, kind, agent_id, prompt, data, replies)
  if run.request_total >= run.limits.requests then too_many_requests(run) end
  local number, fields = run.request_count + 1, #data
  -- Most questions have a prompt, and nothing else.
  local plain = fields == 0 or fields == 2 and kind == "agent" and data.prompt ~= nil
  if run.keeps then check_row(run, agent_id, data, plain) end
  local awaited = run.program.sites[site].awaited
  return {
    effect = "request", kind = kind, number = number, key = run.id .. "/" .. number, agent_id = agent_id, prompt = prompt, data = data, branch = branch.id,
    site = site, home = not awaited and mailbox.of(run, branch) or nil, awaited = awaited, attempt = 1,
    options = plain and NO_OPTIONS or options_of(data, replies or kind == "agent"),
  }
end

--- Has a branch wait for the reply to a request where it does.
function M.register(run, branch, asked)
  local number = asked.number
  run.request_count, run.work.alone = number, false
  in_flight.put(run, asked)
  if branch == run.main then run.last, run.last_request = nil, number end
  if asked.awaited then
    branch.site, branch.wait = asked.site, asked
  else
    asked.home.outstanding = asked.home.outstanding + 1
  end
  return asked
end

--- Sends a request: an effect in the outbox. `AS` waits for its reply.
function M.send(run, branch, asked)
  local outbox = run.work.outbox
  outbox[#outbox + 1] = asked
  return M.register(run, branch, asked)
end

--- A request like one that failed, under a new number.
function M.renewed(run, failed)
  local asked = {}
  for name, field in pairs(failed) do asked[name] = field end
  asked.number, asked.attempt, asked.crashes = run.request_count + 1, 1, nil
  asked.key = run.id .. "/" .. asked.number
  asked.usage, asked.open, asked.asks, asked.asked_again = nil, nil, nil, nil
  return asked
end

return M
