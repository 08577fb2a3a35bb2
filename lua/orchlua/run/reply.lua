-- Replies and signals as values of the language. A reply enumerates `agent_id`,
-- `task_id`, `success`, then the fields of the agent's own JSON or `output`, and
-- `error` when it failed; the rest can be read and is not enumerated.

local core = require "orchlua.core"
local failure = require "orchlua.run.failure"

local json, value = core.json, core.value
local null, Reply = value.null, value.Reply

local M = {}

-- The text inside the one fenced block of an answer, when it has just one.
local function fenced(text)
  local open_at, body_at = text:find("^[ \t]*```[^\n`]*\n", 1)
  if not open_at then
    open_at, body_at = text:find("\n[ \t]*```[^\n`]*\n")
  end
  if not open_at then return nil end
  local close_at, close_end = text:find("\n[ \t]*```[ \t]*\n", body_at)
  if not close_at then
    close_at, close_end = text:find("\n[ \t]*```[ \t]*$", body_at)
  end
  if not close_at or text:find("```", close_end + 1, true) then return nil end
  return text:sub(body_at + 1, close_at - 1)
end

-- Only an object or an array counts as JSON: `42` is text.
local function decoded(text)
  if not text or not text:find "^%s*[%[{]" then return nil end
  return (json.decode(text))
end

local function parsed(text)
  return decoded(text) or (text:find("```", 1, true) and decoded(fenced(text))) or nil
end

--- What an agent gave, as text and as a parsed value.
---@param answer string|table|number|boolean|nil   from an agent
---@return string? text
---@return any parsed   nil when it is text; on an error nil and a message
function M.read(answer)
  if type(answer) == "string" then
    local text = value.utf8(answer)
    return text, parsed(text)
  end
  local converted, message = value.from_lua(answer)
  if converted == nil then return nil, message end
  if value.kind(converted) == "null" then return "", nil end
  if type(converted) ~= "table" then return value.text(converted), nil end
  local text, broken = json.encode(converted)
  if not text then return nil, broken end
  return text, converted
end

-- The runtime's own fields, hidden: all but `agent_id` and `request_id` give way
-- to the agent's.
local function hide(reply, fields)
  for key, field in pairs(fields) do
    if reply[key] == nil then reply[key] = field end
  end
end

local function put(reply, key, field)
  if reply[key] == nil then reply[#reply + 1] = key end
  reply[key] = field
end

--- A reply. `answer` is `{text, parsed}`, or `{error = …}`.
---@param head { agent_id: string, task_id: any, request_id: string, attempts: integer, duration: number, usage: any }
---@return table
function M.new(head, answer)
  local reply = setmetatable({
    "agent_id", "task_id", "success", agent_id = head.agent_id, task_id = head.task_id, success = answer.error == nil,
    request_id = head.request_id, duration = head.duration, attempts = head.attempts, usage = head.usage or null,
  }, Reply)
  if answer.error then
    put(reply, "error", failure.to_value(answer.error))
    reply.output, reply.result = null, null
    return reply
  end
  local fields = answer.parsed
  if fields == nil then
    put(reply, "output", answer.text)
    reply.result = answer.text
  elseif value.kind(fields) == "array" then
    put(reply, "result", fields)
    reply.output = answer.text
  else
    for _, key in ipairs(fields) do
      if key ~= "agent_id" and key ~= "request_id" then M.own_field(reply, key, fields[key]) end
    end
    hide(reply, { output = answer.text, result = fields })
  end
  return reply
end

local enumerated = { agent_id = true, task_id = true, success = true }

-- A field of the agent's own: it is enumerated, also where the runtime has one of that name.
function M.own_field(reply, key, field)
  if not enumerated[key] then reply[#reply + 1] = key end
  reply[key] = field
end

--- A signal as a message.
function M.of_signal(run, name, signalled)
  local answer
  if type(signalled) == "string" then
    answer = { text = signalled, parsed = parsed(signalled) }
  else
    local text = value.text(signalled)
    answer = { text = text, parsed = type(signalled) == "table" and signalled or nil }
  end
  run.signal_count = (run.signal_count or 0) + 1
  return M.new({
    agent_id = name, task_id = name, request_id = ("%s/signal/%d"):format(run.id, run.signal_count), attempts = 0, duration = 0,
  }, answer)
end

return M
