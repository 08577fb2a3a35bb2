-- Recorded replies: a recorder keeps what every agent and event handler answered, a JSON
-- object a line; a replay answers from such a file and asks nobody, so that a test of a
-- program costs nothing. A request is known by its name and its data; of equal ones the
-- first gets the first answer, and so on. One that is not there stops the run.

local core = require "orchlua.core"
local errors = require "orchlua.error"

local json, value = core.json, core.value
local null = value.null

local M = {}

-- What a request is known by.
local function key_of(kind, name, data)
  return json.encode(value.array { kind, name, data == nil and null or data })
end

local function field(object, name)
  if object[name] ~= null then return object[name] end
end

local function set(object, name, v)
  if v ~= nil then object[#object + 1], object[name] = name, v end
end

-- Keeping ----------------------------------------------------------------------------------

---@class orchlua.Recorder
---@field package file file*
local Recorder = {}
Recorder.__index = Recorder

local function usage_value(usage)
  return usage and value.object { "input", "output", "cost", input = usage.input, output = usage.output, cost = usage.cost or null }
end

local function error_value(err)
  local kept = value.object { "type", "message", type = err.type, message = value.utf8(err.message) }
  set(kept, "status", err.status)
  set(kept, "partial", err.fields and err.fields.partial)
  return kept
end

--- Makes a recorder.
---@param path string
---@param append? boolean   to go on with a file that has something in it
---@return orchlua.Recorder? recorder, orchlua.Error? err
function M.recorder(path, append)
  local file, message = io.open(path, "ab")
  if not file then return nil, errors.new("usage", "cannot record: " .. message) end
  if not append and file:seek "end" > 0 then
    file:close()
    return nil, errors.new("usage", ("cannot record: %s has replies in it already"):format(path), { hint = "give another file, or remove it" })
  end
  return setmetatable({ file = file, path = path }, Recorder)
end

--- Keeps what came of a request.
---@param request orchlua.Request
---@param row { body: string?, error: orchlua.Error?, usage: orchlua.Amount? }
---@return orchlua.Error? err
function Recorder:keep(request, row)
  local line = value.object { request.kind, "data", [request.kind] = request.agent_id, data = request.data == nil and null or request.data }
  if row.error then set(line, "error", error_value(row.error)) else set(line, "reply", row.body) end
  -- How an event was answered: by an agent, or by a handler with a value of its own, which is no reply.
  if request.kind == "agent" then set(line, "event", request.name) else set(line, "value", request.quiet or nil) end
  set(line, "usage", usage_value(row.usage))
  set(line, "request", request.key)
  local ok, message = self.file:write(json.encode(line), "\n")
  if ok then ok, message = self.file:flush() end
  if not ok then return errors.new("usage", ("cannot record to %s: %s"):format(self.path, message)) end
end

function Recorder:close() self.file:close() end

-- Answering --------------------------------------------------------------------------------

local function wrong_line(path, number)
  return errors.new("usage", ("%s:%d: this is no recorded reply"):format(path, number), { hint = "--record FILE writes such a file" })
end

-- One line as `key, answer`.
local function answer_of(text)
  local line = json.decode(text)
  if value.kind(line) ~= "object" then return nil end
  local kind = line.agent ~= nil and "agent" or "event"
  if type(line[kind]) ~= "string" or type(line.reply) ~= "string" and value.kind(line.error) ~= "object" then return nil end
  return key_of(kind, line[kind], line.data), line
end

-- Equal requests of a run have their answers in the order in which they were asked; those were kept as they came.
local function in_order(list)
  local places, runs = {}, {}
  for place, answer in ipairs(list) do
    local run, number = tostring(field(answer, "request")):match "^(.*)/(%d+)$"
    if run then
      places[run], runs[run] = places[run] or {}, runs[run] or {}
      table.insert(places[run], place)
      table.insert(runs[run], { number = tonumber(number), answer = answer })
    end
  end
  for run, asked in pairs(runs) do
    table.sort(asked, function(a, b) return a.number < b.number end)
    for i, place in ipairs(places[run]) do list[place] = asked[i].answer end
  end
end

-- Who answers an event that no configuration knows, as it was when it was recorded.
local function handler_of(line)
  if line.agent then return { kind = "agent", agent = line.agent } end
  return { kind = field(line, "value") and "lua" or "recorded" }
end

local function read(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, errors.new("usage", "cannot replay: " .. message) end
  local answers, metered, handlers, number = {}, {}, {}, 0
  for text in file:lines() do
    number = number + 1
    local key, answer = answer_of(text)
    if not key then
      file:close()
      return nil, wrong_line(path, number)
    end
    answers[key] = answers[key] or { next = 1 }
    table.insert(answers[key], answer)
    if answer.agent and field(answer, "usage") then metered[answer.agent] = true end
    local event = field(answer, "event")
    if event then handlers[event] = handlers[event] or handler_of(answer) end
  end
  file:close()
  for _, list in pairs(answers) do in_order(list) end
  return { path = path, answers = answers, metered = metered, handlers = handlers, made = {} }
end

-- The failure of a call, after all of its tries: it is not tried again.
local function raise(kept, usage)
  error(errors.new(field(kept, "type") or "agent", field(kept, "message") or "",
    { status = field(kept, "status"), fields = { partial = field(kept, "partial") }, final = true, usage = usage }), 0)
end

-- What an answer took, as the budget has it.
local function usage_of(answer)
  local usage = field(answer, "usage")
  return usage and { input = usage.input, output = usage.output, cost = field(usage, "cost") }
end

local function unknown(path, kind, name, known)
  local has = known and ("only %d repl%s"):format(#known, #known == 1 and "y" or "ies") or "no reply"
  error(errors.new("replay", ("%s has %s to what the %s `%s` was asked"):format(path, has, kind, name),
    { unknown_request = true, retryable = false, hint = "record the run again, or look what has changed in the program or its inputs" }), 0)
end

-- The answer to a request, as an agent or a handler in Lua gives it.
local function take(self, kind, asked, quiet)
  local known = self.answers[key_of(kind, asked.agent_id, asked.data)]
  local answer = known and known[known.next]
  if not answer then unknown(self.path, kind, asked.agent_id, known) end
  known.next = known.next + 1
  if field(answer, "error") then raise(answer.error, usage_of(answer)) end
  return quiet and json.decode(answer.reply) or answer.reply, usage_of(answer)
end

---@class orchlua.Replay   agents that answer from a recording: it stands in for `orchlua.Agents`
local Replay = {}
Replay.__index = Replay

--- Makes agents that answer from a file, each as the one it stands for would be asked.
---@param path string
---@param agents orchlua.Agents   of the configuration
---@return orchlua.Replay? replay, orchlua.Error? err
function M.replay(path, agents)
  local replay, err = read(path)
  if not replay then return nil, err end
  replay.agents = agents
  return setmetatable(replay, Replay)
end

-- Of an agent that no configuration knows it is only known that its replies took something.
local UNKNOWN = { kind = "recorded" }
local UNKNOWN_MODEL = {
  kind = "recorded",
  terms = function() return value.object { "output", "overhead", "per_message", "memory", output = 0, overhead = 0, per_message = 0, memory = 0 } end,
}

-- An agent like another, or like any, that answers from the recording.
local function standing_in(self, kind, name, real)
  local made = self.made[real or name]
  if made then return made end
  local like = real or self.metered[name] and UNKNOWN_MODEL or UNKNOWN
  made = setmetatable({ name = like.name or name, in_process = true, latency = false, rates = false }, { __index = like })
  local quiet = kind == "event" and made.kind == "lua"
  made.call = function(first, second) return take(self, kind, second or first, quiet) end
  self.made[real or name] = made
  return made
end

--- The agent that answers to an id: any may have been recorded.
function Replay:find(agent_id)
  return standing_in(self, "agent", agent_id, (self.agents:find(agent_id)))
end

--- Who handles an event that is not built in; nil when nobody does, and nobody did.
function Replay:handler(name)
  local real = self.agents:handler(name) or self.handlers[name]
  return real and standing_in(self, "event", name, real)
end

return M
