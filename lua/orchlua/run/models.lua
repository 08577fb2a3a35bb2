-- What a run does besides for an agent that is a model: it knows what asking it takes at
-- worst, hands it the exchanges that it remembers, and keeps each one that is completed.

local core = require "orchlua.core"
local own = require("orchlua.run.own").own

local json, value = core.json, core.value
local null = value.null

local M = {}

-- What asking for a schema takes besides its text.
local SCHEMA_TOKENS = 64

-- Fields of an event's data that are the runtime's.
local RUNTIMES = {
  agent_id = true, prompt = true, timeout = true, try_timeout = true, retries = true, on_error = true, schema = true, task_id = true,
  idempotency_key = true, stream = true, at_most_once = true,
}

--- What asking an agent takes at worst; nil when it is no model. The run learns it the
--- first time, so that a replay reckons as the run did, whatever the configuration says then.
---@param run orchlua.Run
---@param agent_id string
---@return table?
function M.terms(run, agent_id)
  local known = run.terms[agent_id]
  if known ~= nil then return known or nil end
  local terms = run:learned_object(function()
    local agent = run.find_agent(agent_id)
    return agent and agent.terms and agent.terms(agent_id)
  end)
  own(run, "terms")[agent_id] = terms or false
  return terms
end

-- The prompt of a question without one: what else the event's data says.
local function prompt_of(asked)
  local rest = value.object {}
  for _, name in ipairs(asked.data) do
    if not RUNTIMES[name] then rest[#rest + 1], rest[name] = name, asked.data[name] end
  end
  return #rest > 0 and json.encode(rest) or ""
end

local function remembered(run, terms, agent_id)
  local exchanges = run.memories[agent_id]
  return exchanges and table.move(exchanges, math.max(1, #exchanges - terms.memory + 1), #exchanges, 1, {})
end

-- No text has more tokens than bytes.
local function input_of(asked, terms)
  local bytes, messages, history = #asked.prompt, 2, asked.history
  for i = 1, history and #history or 0 do
    local exchange = history[i]
    bytes, messages = bytes + #exchange.prompt + #exchange.answer, messages + 2
  end
  local schema = asked.options.schema
  if schema then bytes = bytes + 2 * #json.encode(schema) + SCHEMA_TOKENS end
  return bytes + messages * terms.per_message + terms.overhead
end

local function amount(input, terms)
  local cost
  if terms.input_price and terms.input_price ~= null then cost = (input * terms.input_price + terms.output * terms.output_price) / 1e6 end
  return { input = input, output = terms.output, cost = cost }
end

--- The most that one question to a model takes.
---@param terms table
---@param prompt string
---@return orchlua.Amount
function M.worst(terms, prompt)
  return amount(#prompt + 2 * terms.per_message + terms.overhead, terms)
end

--- Makes a request a question to a model.
---@param run orchlua.Run
---@param asked orchlua.Request
---@param terms table
function M.prepare(run, asked, terms)
  if asked.prompt == "" then asked.prompt = prompt_of(asked) end
  if terms.memory > 0 then asked.history = remembered(run, terms, asked.agent_id) end
  asked.worst = amount(input_of(asked, terms), terms)
end

--- A model's answer was of the wrong shape: it is told so, which takes more.
---@param asked orchlua.Request
---@param again { answer: string, message: string }
function M.asked_again(run, asked, again)
  asked.asked_again = again
  local terms = asked.worst and M.terms(run, asked.agent_id)
  if terms then asked.worst = amount(asked.worst.input + #again.answer + #again.message + 2 * terms.per_message, terms) end
end

--- An answer of a model: the exchange is remembered, the oldest is let go.
---@param run orchlua.Run
---@param asked orchlua.Request
---@param text string
function M.answered(run, asked, text)
  local terms = M.terms(run, asked.agent_id)
  if not terms or terms.memory == 0 then return end
  local memories = own(run, "memories")
  local exchanges = memories[asked.agent_id] or {}
  memories[asked.agent_id] = exchanges
  exchanges[#exchanges + 1] = { prompt = asked.prompt, answer = text }
  if #exchanges > terms.memory then table.remove(exchanges, 1) end
end

return M
