-- What a model is asked, as the JSON that its server takes: the system prompt, the exchanges
-- remembered, the prompt. What stands around the messages is the same for all questions to an
-- agent that ask for no schema, and is written once: its frame.

local core = require "orchlua.core"
local errors = require "orchlua.error"

local json = core.json

local M = {}

---@class orchlua.Question
---@field messages { role: string, content: string }[]
---@field system? string
---@field max_tokens integer
---@field schema? table       a JSON schema that the server holds its answer to
---@field stream? boolean

--- Tokens of an answer at most, where nobody says: what a budget has to reserve is finite.
M.MOST_OUTPUT = 4096

-- So many agents' frames are remembered; programs choose the ids, so there is a bound.
local REMEMBERED = 1000

local ROLE = "You are \"{agent_id}\", one of several agents that work on a task together. Do what you are asked, and answer with the result alone."

--- The system prompt: what the configuration says, or else a role by the agent's name.
---@param settings orchlua.Config.Model
---@param agent_id string
---@return string?
function M.system(settings, agent_id)
  if settings.system == false or settings.system == "" then return nil end
  return ((settings.system or ROLE):gsub("{agent_id}", (agent_id:gsub("%%", "%%%%"))))
end

local function encode(v)
  local text, problem = json.encode(v)
  if text then return text end
  errors.raise("agent", "the request cannot be written as JSON: " .. problem, { retryable = false, usage = { input = 0, output = 0, cost = 0 } })
end

-- Messages -----------------------------------------------------------------------------------

local function message(role, content) return '{"role":"' .. role .. '","content":' .. encode(content) .. "}" end

-- The prompt; in one to a server that takes no schema, what it asks for.
local function prompt_of(asked, native)
  if not asked.schema or native then return asked.prompt end
  return asked.prompt .. "\n\nAnswer with JSON alone, which fits this JSON schema:\n" .. json.encode(asked.schema)
end

local function messages_of(asked, native)
  local last, again = message("user", prompt_of(asked, native)), asked.asked_again
  if not asked.history and not again then return last end
  local list = {}
  for _, exchange in ipairs(asked.history or {}) do
    list[#list + 1] = message("user", exchange.prompt)
    list[#list + 1] = message("assistant", exchange.answer)
  end
  list[#list + 1] = last
  if again then
    list[#list + 1] = message("assistant", again.answer)
    list[#list + 1] = message("user", again.message)
  end
  return table.concat(list, ",")
end

-- Frames -------------------------------------------------------------------------------------

-- Where the messages go; nobody's text is this.
local MARK = "\0messages\0"
local MARKED = message("user", MARK)

-- What stands in front of the messages and behind them; all of it where the configuration sends messages of its own.
local function new_frame(settings, dialect, asked, native)
  local text = encode(dialect.body(settings, {
    system = M.system(settings, asked.agent_id), messages = { { role = "user", content = MARK } }, schema = native and asked.schema or nil,
    max_tokens = dialect.max_tokens(settings) or M.MOST_OUTPUT, stream = asked.stream or nil,
  }))
  local at, stop = text:find(MARKED, 1, true)
  return { before = text:sub(1, at and at - 1), after = at and text:sub(stop + 1) }
end

-- Anthropic's servers hold an answer to a schema only when it says all of its objects' fields.
local function takes_schema(kind, schema)
  return kind ~= "anthropic" or require("orchlua.agents.schema").strict(schema)
end

--- Makes the function that writes the questions to a model.
---@param entry orchlua.Config.Entry
---@param dialect table
---@return fun(asked: orchlua.Asked): string
function M.writer(entry, dialect)
  local whole, streamed, count = {}, {}, 0

  local function frame_for(asked)
    local frames = asked.stream and streamed or whole
    local frame = frames[asked.agent_id]
    if frame then return frame end
    if count == REMEMBERED then whole, streamed, count = {}, {}, 0 end
    frame, count = new_frame(entry.model, dialect, asked), count + 1
    frames = asked.stream and streamed or whole
    frames[asked.agent_id] = frame
    return frame
  end

  return function(asked)
    local native = asked.schema and takes_schema(entry.kind, asked.schema)
    local frame = asked.schema and new_frame(entry.model, dialect, asked, native) or frame_for(asked)
    if not frame.after then return frame.before end
    return frame.before .. messages_of(asked, native) .. frame.after
  end
end

return M
