-- Messages, as Anthropic has them. https://docs.anthropic.com/en/api/messages

local wire = require "orchlua.agents.models.wire"

local M = { base_url = "https://api.anthropic.com", api_key_env = "ANTHROPIC_API_KEY", path = "/v1/messages", streams_as = "events" }

local VERSION = "2023-06-01"

function M.max_tokens(settings) return settings.max_tokens end

function M.headers(key)
  return { ["anthropic-version"] = VERSION, ["x-api-key"] = key }
end

local function output_config(schema)
  if not schema then return nil end
  return wire.object("format", wire.object("type", "json_schema", "schema", schema))
end

---@param settings orchlua.Config.Model
---@param question orchlua.Question
function M.body(settings, question)
  local body = wire.object("model", settings.model, "max_tokens", question.max_tokens, "system", question.system,
    "messages", wire.messages(question.messages), "temperature", settings.temperature,
    "output_config", output_config(question.schema), "stream", question.stream)
  return wire.add(body, settings.fields)
end

local ENDINGS = { max_tokens = "length", model_context_window_exceeded = "length", refusal = "refused", tool_use = "tool" }

-- Input that was written to or read from the server's cache was input all the same.
local function input_of(usage)
  local count = wire.count_at(usage, "input_tokens")
  if not count then return nil end
  return count + (wire.count_at(usage, "cache_creation_input_tokens") or 0) + (wire.count_at(usage, "cache_read_input_tokens") or 0)
end

local function text_of(body)
  local pieces = {}
  for _, block in ipairs(wire.list_at(body, "content")) do pieces[#pieces + 1] = wire.text_at(block, "text") end
  return pieces[1] and table.concat(pieces)
end

--- A whole answer.
---@return orchlua.Answer
function M.answer(body)
  local text, stop = text_of(body), wire.text_at(body, "stop_reason")
  return {
    text = text or stop and "" or nil, usage = wire.usage(input_of(wire.at(body, "usage")), wire.count_at(body, "usage", "output_tokens")),
    problem = wire.at(body, "error") and body or nil, ending = ENDINGS[stop] or text and "stop",
  }
end

local events = {}

function events.message_start(answer, event)
  answer.input = input_of(wire.at(event, "message", "usage"))
end

function events.content_block_delta(_, event) return wire.text_at(event, "delta", "text") end

function events.message_delta(answer, event)
  local stop = wire.text_at(event, "delta", "stop_reason")
  if stop then answer.reason = stop end
  answer.usage = wire.usage(input_of(wire.at(event, "usage")) or answer.input, wire.count_at(event, "usage", "output_tokens"))
end

function events.message_stop(answer) answer.ending = ENDINGS[answer.reason] or "stop" end

function events.error(answer, event) answer.problem = event end

--- One event of a stream: the piece of text that it brings; what else it says goes into `answer`.
---@param answer orchlua.Answer
---@param event any
---@return string? piece
function M.piece(answer, event)
  local take = events[wire.text_at(event, "type")]
  return take and take(answer, event)
end

return M
