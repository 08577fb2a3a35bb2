-- Ollama's own chat. https://github.com/ollama/ollama/blob/main/docs/api.md

local core = require "orchlua.core"
local wire = require "orchlua.agents.models.wire"

local M = { base_url = "http://127.0.0.1:11434", path = "/api/chat", streams_as = "lines" }

function M.max_tokens(settings)
  return settings.max_tokens or wire.count_at(settings.fields.options, "num_predict")
end

function M.headers(key)
  return key and { Authorization = "Bearer " .. key } or {}
end

local function options(settings, question)
  local given = settings.fields.options
  local all = given and core.value.copy(given) or core.value.object {}
  wire.set(all, "temperature", settings.temperature)
  wire.set(all, "num_predict", question.max_tokens)
  return all
end

---@param settings orchlua.Config.Model
---@param question orchlua.Question
function M.body(settings, question)
  local body = wire.object("model", settings.model, "messages", wire.messages(question.messages, question.system),
    "stream", question.stream or false, "format", question.schema)
  wire.add(body, settings.fields)
  wire.set(body, "options", options(settings, question))
  return body
end

local ENDINGS = { length = "length" }

local function finish(answer, reason, input, output)
  answer.usage = wire.usage(wire.count(input) or 0, wire.count(output))
  answer.ending = ENDINGS[reason] or "stop"
end

--- Where in a whole answer lies what `answer` takes.
M.paths = { "error", "message/content", "done_reason", "prompt_eval_count", "eval_count" }

--- A whole answer, of what lies at the paths.
---@return orchlua.Answer
function M.answer(problem, content, ...)
  local answer = { text = wire.text(content), problem = wire.at(problem) }
  if answer.text then finish(answer, ...) end
  return answer
end

--- One line of a stream: the piece of text that it brings; what else it says goes into `answer`.
---@param answer orchlua.Answer
---@param line any
---@return string? piece
function M.piece(answer, line)
  if wire.at(line, "error") then
    answer.problem = line
    return nil
  end
  if wire.at(line, "done") == true then
    finish(answer, line.done_reason, line.prompt_eval_count, line.eval_count)
    answer.whole = true
  end
  return wire.text_at(line, "message", "content")
end

return M
