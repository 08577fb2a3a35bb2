-- A request to an agent as JSON, for the kinds that send it out of the process.
-- The order of its fields is fixed, so that equal requests are equal bytes.

local core = require "orchlua.core"
local errors = require "orchlua.error"

local value, json = core.value, core.json

local M = {}

---@class orchlua.Asked   what an agent is told of a request
---@field agent_id string
---@field prompt? any
---@field data? table            the event's data, an object of the language
---@field run_id string
---@field request_id string
---@field idempotency_key string
---@field attempt integer
---@field timeout number         seconds

local ALL = { "agent_id", "prompt", "data", "run_id", "request_id", "idempotency_key", "attempt", "timeout" }
local CONTEXT = { "agent_id", "run_id", "request_id", "idempotency_key", "attempt", "timeout" }

local function encode(request, names)
  local object = table.move(names, 1, #names, 1, {})
  for _, name in ipairs(names) do
    local field = request[name]
    object[name] = field == nil and value.null or field
  end
  local text, problem = json.encode(value.object(object))
  if not text then
    errors.raise("agent", ("the request cannot be written as JSON: %s"):format(problem), { retryable = false })
  end
  return text
end

--- The whole request.
---@param request orchlua.Asked
---@return string
function M.json(request) return encode(request, ALL) end

--- The request without its prompt and data.
---@param request orchlua.Asked
---@return string
function M.context(request) return encode(request, CONTEXT) end

--- An error of a transport; that an answer is too long says by which limit.
---@param err orchlua.Error
---@param entry orchlua.Config.Entry
---@return orchlua.Error
function M.failure(err, entry)
  if err.type == "limit" then err.message = ("%s (%s)"):format(err.message, entry.reply_limit) end
  return err
end

--- The prompt as text; none is the empty text.
---@param request orchlua.Asked
---@return string
function M.prompt_text(request)
  if request.prompt == nil or request.prompt == value.null then return "" end
  return value.text(request.prompt)
end

return M
