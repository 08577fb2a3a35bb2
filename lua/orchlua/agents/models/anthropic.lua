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
local function input_of(count, written, read)
  count = wire.count(count)
  return count and count + (wire.count(written) or 0) + (wire.count(read) or 0)
end

local function text_of(content)
  local pieces = {}
  for _, block in ipairs(wire.list_at(content)) do pieces[#pieces + 1] = wire.text_at(block, "text") end
  return pieces[1] and table.concat(pieces)
end

--- Where in a whole answer lies what `answer` takes.
M.paths = {
  "error", "content", "stop_reason", "usage/output_tokens", "usage/input_tokens", "usage/cache_creation_input_tokens", "usage/cache_read_input_tokens",
}

--- A whole answer, of what lies at the paths.
---@return orchlua.Answer
function M.answer(problem, content, stop, output, ...)
  local text = text_of(content)
  stop = wire.text(stop)
  return {
    text = text or stop and "" or nil, usage = wire.usage(input_of(...), wire.count(output)), problem = wire.at(problem),
    ending = ENDINGS[stop] or text and "stop",
  }
end

local function input_in(usage)
  if type(usage) == "table" then return input_of(usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens) end
end

local events = {}

function events.message_start(answer, event)
  answer.input = input_in(wire.at(event, "message", "usage"))
end

function events.content_block_delta(_, event) return wire.text_at(event, "delta", "text") end

function events.message_delta(answer, event)
  local stop = wire.text_at(event, "delta", "stop_reason")
  if stop then answer.reason = stop end
  answer.usage = wire.usage(input_in(wire.at(event, "usage")) or answer.input, wire.count_at(event, "usage", "output_tokens"))
end

function events.message_stop(answer) answer.ending, answer.whole = ENDINGS[answer.reason] or "stop", true end

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
