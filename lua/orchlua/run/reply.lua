-- Replies and signals as values of the language. A reply enumerates `agent_id`,
-- `task_id`, `success`, then the fields of the agent's own JSON or `output`, and
-- `error` when it failed; the rest can be read and is not enumerated.

local budget = require "orchlua.run.budget"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local failure = require "orchlua.run.failure"
local limits = require "orchlua.run.limits"
local schemas = require "orchlua.agents.schema"

local byte, find, setmetatable, type = string.byte, string.find, setmetatable, type
local json, value = core.json, core.value
local null, Reply, utf8 = value.null, value.Reply, value.utf8

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

local function in_fence(text)
  local inside = fenced(text)
  return inside and find(inside, "^%s*[%[{]") and json.decode(inside) or nil
end

-- Bytes of an answer from which on it is read in slices of so many, so that nothing else waits long.
local LARGE, SLICE = 1024 * 1024, 128 * 1024

M.LARGE = LARGE

--- How much larger a text may be when it has been read as JSON, roughly.
M.PARSED = 8

--- Reads an answer that is JSON a slice at a time: `more(step)` has `step` called a little
--- later, `done(parsed)` gets what `parsed` would give. False when it is no JSON: nothing is done then.
---@param text string
---@param more fun(step: fun())
---@param collector orchlua.Collector
---@param done fun(parsed: table?)
---@return boolean begun
function M.parse_slowly(text, more, collector, done)
  local whole = find(text, "^%s*[%[{]") and text or find(text, "```", 1, true) and fenced(text)
  if not whole or not find(whole, "^%s*[%[{]") then return false end
  local co = coroutine.create(json.decode_slowly)
  local function step()
    local ok, decoded = coroutine.resume(co, whole, SLICE)
    if coroutine.status(co) ~= "dead" then return more(step) end
    collector:go_on()
    if not ok then error(decoded, 0) end
    done(decoded)
  end
  collector:rest(more, step)
  return true
end

-- The bytes with which a text may begin that is an array or an object.
local BEFORE_JSON = {}
for c in ("[{ \t\n\v\f\r"):gmatch "." do BEFORE_JSON[byte(c)] = true end

--- What a text is as JSON: an array, an object, or nil; `42` is text.
---@param text string
---@return table?
function M.parsed(text)
  if BEFORE_JSON[byte(text)] and find(text, "^%s*[%[{]") then
    local parsed = json.decode(text)
    if parsed then return parsed end
  end
  if find(text, "```", 1, true) then return in_fence(text) end
end

-- The value that a text is, also one that is a number or a string, plain or in a fence.
local function any_value(text)
  local decoded = json.decode(text)
  if decoded ~= nil then return decoded end
  local inside = fenced(text)
  return inside and json.decode(inside)
end

local function text_for_schema(answer) return M.text(answer) or "" end

--- Whether an answer is of the shape that was asked for.
---@param schema any
---@param answer any
---@return string text
---@return string? problem   when it is not: what is wrong
---@return string? message   to the agent then: what is wrong, and what to do
function M.misfit(schema, answer)
  local text = text_for_schema(answer)
  local decoded = any_value(text)
  local problem = decoded == nil and "the reply is no JSON" or schemas.check(schema, decoded)
  if not problem then return text end
  return text, problem, ("That does not fit: %s. Answer again, with JSON alone, which fits this JSON schema:\n%s"):format(problem, json.encode(schema))
end

--- The text that an answer is: what it is to a program is decided by the text alone.
---@param answer string|table|number|boolean|nil   from an agent
---@return string? text
---@return string? message   when it is no value
local function text_of(answer)
  if type(answer) == "string" then return utf8(answer) end
  local converted, message = value.from_lua(answer)
  if converted == nil then return nil, message end
  if converted == null then return "" end
  if type(converted) ~= "table" then return value.text(converted) end
  return json.encode(converted)
end
M.text = text_of

local function value_text(answer)
  local converted, message = value.from_lua(answer)
  if converted == nil then return nil, message end
  return json.encode(converted)
end

-- Bytes that are kept of an error's message, whoever raised it.
local MESSAGE = 1024 * 1024

-- What is kept of an error: the fields that a program or a person can see.
local function kept(err)
  local message = #err.message <= MESSAGE and err.message or value.utf8(err.message:sub(1, MESSAGE)) .. "…"
  return errors.new(err.type, message, { status = err.status, hint = err.hint, fields = err.fields })
end

local function not_a_value(asked, message)
  if asked.quiet then return errors.new("event", "the handler's answer is no value: " .. message) end
  return errors.new("agent", ("the reply of `%s` is no value: %s"):format(asked.agent_id, message))
end

local function too_large(asked, name, most)
  return limits.reached(name, ("the answer of `%s` is larger than %s"):format(asked.agent_id, limits.size(most)))
end

-- The text of an answer, as a row has it, or nil and what is wrong with it.
local function body_of(run, asked, answer)
  local body, message = (asked.quiet and value_text or text_of)(answer)
  if not body then return nil, not_a_value(asked, message) end
  local size, limits_of_run = #body, run.limits
  if size > limits_of_run.reply then return nil, too_large(asked, "reply", limits_of_run.reply) end
  if run.keeps and size > limits_of_run.row then return nil, too_large(asked, "row", limits_of_run.row) end
  return body
end

-- So many rows are kept to be written over.
local SPARE = 64

--- A row of a run in memory is of no use any more: the next one may be written over it.
function M.spare(run, row)
  local spare = run.spare_rows
  local count = #spare
  if row.error or row.parsed or count == SPARE then return end
  row.body, spare[count + 1] = nil, row
end

--- What came of a request as the row that tells its run: `body` is the answer's text,
--- or, of one that is answered with a value of its own, the value's JSON.
---@param run orchlua.Run
---@param asked orchlua.Request
---@param answer any            what was answered, or nil and
---@param err? orchlua.Error
---@param attempts? integer
---@param duration? number      seconds
---@param time? number          when it came, seconds since the epoch
---@param usage? orchlua.Amount  what the last try took, where the transport says so
---@return table row
function M.row(run, asked, answer, err, attempts, duration, time, usage)
  local body
  if not err then body, err = body_of(run, asked, answer) end
  local spare = run.spare_rows
  local row = not err and spare[#spare]
  if row then
    spare[#spare] = nil
    row.request, row.body, row.attempts, row.duration, row.time, row.usage = asked.number, body, attempts or 1, duration or 0, time, usage
    return row
  end
  return {
    kind = "reply", request = asked.number, body = body, error = err and kept(err), attempts = attempts or 1, duration = duration or 0, time = time,
    usage = usage,
  }
end

local enumerated = { agent_id = true, task_id = true, success = true }

-- The runtime's own fields, all but the first three hidden; those of the agent's
-- answer win over them, but for `agent_id` and `request_id`.
local function head(asked, duration, attempts)
  local task_id = asked.options.task_id
  return setmetatable({
    "agent_id", "task_id", "success", nil, agent_id = asked.agent_id, task_id = task_id == nil and asked.key or task_id, success = true,
    request_id = asked.key, duration = duration, attempts = attempts, usage = asked.usage and budget.to_value(asked.usage),
    output = nil, result = nil,
  }, Reply)
end

-- The reply of an answer that is text: made at once, since most are, and with no more
-- fields than it needs.
local function of_text(asked, duration, attempts, text)
  local task_id, key = asked.options.task_id, asked.key
  return setmetatable({
    "agent_id", "task_id", "success", "output", agent_id = asked.agent_id, task_id = task_id == nil and key or task_id, success = true,
    output = text, result = text, request_id = key, duration = duration, attempts = attempts,
  }, Reply)
end

local function own_fields(reply, fields)
  for i = 1, #fields do
    local key = fields[i]
    if key ~= "agent_id" and key ~= "request_id" then
      if not enumerated[key] then reply[#reply + 1] = key end
      reply[key] = fields[key]
    end
  end
end

--- The reply of an answered request.
---@param asked { agent_id: string, key: string, options: { task_id: any }, usage: orchlua.Amount? }
---@param duration number   seconds
---@param attempts integer
---@param text string   the agent's answer
---@param fields? table   and what it is as JSON, when it is
---@return table
function M.new(asked, duration, attempts, text, fields)
  if fields == nil and not asked.usage then return of_text(asked, duration, attempts, text) end
  local reply = head(asked, duration, attempts)
  if fields == nil then
    reply[4], reply.output, reply.result = "output", text, text
  elseif value.kind(fields) == "array" then
    reply[4], reply.output, reply.result = "result", text, fields
  else
    own_fields(reply, fields)
    if reply.output == nil then reply.output = text end
    if reply.result == nil then reply.result = fields end
  end
  return reply
end

--- The reply of a request that failed: `success` is false, `error` says why.
function M.failed(asked, outcome)
  local reply = head(asked, outcome.duration, outcome.attempts)
  reply.success, reply[4], reply.error = false, "error", failure.to_value(outcome.error)
  reply.output, reply.result = null, null
  return reply
end

--- A signal as a message.
function M.of_signal(run, name, signalled)
  run.signal_count = run.signal_count + 1
  local asked = { agent_id = name, options = { task_id = name }, key = ("%s/signal/%d"):format(run.id, run.signal_count) }
  local text = M.text(signalled)
  return M.new(asked, 0, 0, text, M.parsed(text))
end

return M
