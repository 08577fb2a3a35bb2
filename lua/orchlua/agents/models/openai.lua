-- Chat completions, as OpenAI has them and many servers speak them (vLLM, llama.cpp, LM
-- Studio, OpenRouter, Ollama under /v1).
-- https://platform.openai.com/docs/api-reference/chat

local json_schema = require "orchlua.agents.schema"
local wire = require "orchlua.agents.models.wire"

local count_at, text_at = wire.count_at, wire.text_at

local M = { base_url = "https://api.openai.com/v1", api_key_env = "OPENAI_API_KEY", path = "/chat/completions", streams_as = "events" }

-- OpenAI's own models want the newer name; other servers know the older one.
local function limit_name(settings)
  return settings.base_url == M.base_url and "max_completion_tokens" or "max_tokens"
end

--- The most tokens an answer may have, as the configuration says it; nil when it does not. The newer name is
--- sent instead of the other.
function M.max_tokens(settings)
  return wire.count(settings.fields.max_completion_tokens) or settings.max_tokens
end

function M.headers(key)
  return key and { Authorization = "Bearer " .. key } or {}
end

local function response_format(schema)
  if not schema then return nil end
  local described = wire.object("name", "reply", "schema", schema, "strict", json_schema.strict(schema) or nil)
  return wire.object("type", "json_schema", "json_schema", described)
end

---@param settings orchlua.Config.Model
---@param question orchlua.Question
function M.body(settings, question)
  local body = wire.object("model", settings.model, "messages", wire.messages(question.messages, question.system),
    "temperature", settings.temperature, "response_format", response_format(question.schema))
  if not settings.fields.max_completion_tokens then wire.set(body, limit_name(settings), question.max_tokens) end
  if question.stream then
    wire.set(body, "stream", true)
    wire.set(body, "stream_options", wire.object("include_usage", true))
  end
  return wire.add(body, settings.fields)
end

local ENDINGS = { length = "length", content_filter = "refused", tool_calls = "tool", function_call = "tool" }

-- The texts of a list of parts, `[{type: "text", text: …}]`, as one; nil when there are none. It lies in a field, or is `v`.
local function parts_text(v, field)
  local texts = {}
  for _, part in ipairs(wire.list_at(v, field)) do
    if text_at(part, "type") == "text" then texts[#texts + 1] = text_at(part, "text") end
  end
  return texts[1] and table.concat(texts)
end

--- Where in a whole answer lies what `answer` takes.
M.paths = {
  "error", "choices/1/message/content", "choices/1/message/refusal", "choices/1/finish_reason", "usage/prompt_tokens", "usage/completion_tokens",
}

--- A whole answer, of what lies at the paths.
---@return orchlua.Answer
function M.answer(problem, content, refusal, finish, input, output)
  refusal = wire.text(refusal)
  local text = wire.text(content) or parts_text(content) or refusal
  return {
    text = text, usage = wire.usage(wire.count(input), wire.count(output)), problem = wire.at(problem),
    ending = refusal and "refused" or ENDINGS[finish] or text and "stop",
  }
end

local function usage_of(event)
  local usage = wire.at(event, "usage")
  return wire.usage(count_at(usage, "prompt_tokens"), count_at(usage, "completion_tokens"))
end

--- One event of a stream: the piece of text that it brings; what else it says goes into `answer`.
---@param answer orchlua.Answer
---@param event any
---@return string? piece
function M.piece(answer, event)
  if wire.at(event, "error") or text_at(event, "object") == "error" then
    answer.problem = event
    return nil
  end
  answer.usage = usage_of(event) or answer.usage
  local choice = wire.list_at(event, "choices")[1]
  local finish, refusal = text_at(choice, "finish_reason"), text_at(choice, "delta", "refusal")
  if finish then answer.ending = answer.ending or ENDINGS[finish] or "stop" end
  if refusal then answer.ending = "refused" end
  return text_at(choice, "delta", "content") or parts_text(wire.at(choice, "delta"), "content") or refusal
end

--- The data that ends a stream.
M.last = "[DONE]"

return M
