-- The agents of a configuration, ready to be asked. Each kind has a file of its
-- own that makes one function, `call(request)`; what to do about time-outs,
-- retries, latency and who may ask when is for the runtime, which finds the
-- numbers here.

local config = require "orchlua.config"
local errors = require "orchlua.error"
local nearest = require "orchlua.nearest"
local rate = require "orchlua.agents.rate"

local keys = require "orchlua.keys"

local M = {}

-- So many ids are remembered; programs choose them, so there is a bound.
local REMEMBERED = 1000

---@class orchlua.Agent
---@field name string              the name or glob of the configuration that it stands under
---@field kind "lua"|"exec"|"http"|"agent"|"openai"|"anthropic"|"ollama"
---@field call? fun(request: orchlua.Asked): any   waits inside a coroutine of the loop; returns text or a table, or raises.
---                                A function in Lua may raise anything. An event's handler in Lua takes `(data, run)`. None for the kind `agent`
---@field agent? string            kind `agent` (events only): the agent to ask
---@field in_process boolean       runs inside this process
---@field plain boolean            a function in Lua whose tries have no time-out of their own, and no latency
---@field timeout number
---@field try_timeout? number
---@field retries integer
---@field retries_given boolean    the entry itself says how many, so that an agent's own failures are retried too
---@field concurrency integer
---@field latency? number
---@field terms? fun(agent_id: string): table   a model: what asking it takes at worst
---@field stream? boolean          a model: its answer comes in pieces, unless the event says otherwise
---@field rates? orchlua.Rate[]    a model that may not be asked as fast as one likes: what it waits for before each try

-- A kind's file is loaded for the first agent of its kind.
local function kind_in(file)
  return function(...) return require("orchlua.agents." .. file).new(...) end
end

-- `nil, err` is a failure, as if `err` had been raised: `return orchlua.ask(…)` gives that.
local function outcome(answer, err)
  if answer == nil and err ~= nil then error(err, 0) end
  return answer
end

local function in_lua(call)
  return function(...) return outcome(call(...)) end
end

local kinds = {
  lua = function(entry) return in_lua(entry.lua) end,
  exec = kind_in "exec",
  http = kind_in "http",
  openai = kind_in "models",
  anthropic = kind_in "models",
  ollama = kind_in "models",
  agent = function() return nil end
}

local function new_agent(entry, loop, folder)
  return {
    name = entry.name, kind = entry.kind, call = kinds[entry.kind](entry, loop, folder), agent = entry.agent,
    in_process = entry.kind == "lua", plain = entry.kind == "lua" and not entry.try_timeout and not entry.latency,
    timeout = entry.timeout, try_timeout = entry.try_timeout,
    retries = entry.retries, retries_given = entry.retries_given, concurrency = entry.concurrency, latency = entry.latency,
  }
end

-- All agents of a provider share its rate.
local function new_model(entry, loop, folder, shared)
  local agent, kind, rates = new_agent(entry, loop, folder), entry.kind, {}
  agent.stream = entry.stream
  agent.terms = function(agent_id) return require("orchlua.agents.models").terms(entry, agent_id) end
  if entry.rate then rates[1] = rate.new(entry.rate) end
  if entry.provider_rate then
    shared[kind] = shared[kind] or rate.new(entry.provider_rate)
    rates[#rates + 1] = shared[kind]
  end
  agent.rates = rates[1] and rates or nil
  return agent
end

local function new_agents(entries, loop, folder)
  local made, shared = {}, {}
  for name, entry in pairs(entries) do
    made[name] = entry.model and new_model(entry, loop, folder, shared) or new_agent(entry, loop, folder)
  end
  return made
end

---@class orchlua.Agents
---@field package agents table<string, orchlua.Agent>
---@field package events table<string, orchlua.Agent>
---@field package found table<string, orchlua.Agent>   by the ids that were asked for
local Agents = {}
Agents.__index = Agents

--- Makes the agents of a checked configuration.
---@param checked orchlua.Config
---@param loop any
---@return orchlua.Agents
function M.new(checked, loop)
  return setmetatable({
    agents = new_agents(checked.agents, loop, checked.folder),
    events = new_agents(checked.events, loop, checked.folder),
    found = {}, count = 0,
  }, Agents)
end

local function remember(self, agent_id, agent)
  if self.count == REMEMBERED then self.found, self.count = {}, 0 end
  self.found[agent_id], self.count = agent, self.count + 1
  return agent
end

--- The agent that answers to an id: the same object for all ids that one entry takes.
---@param agent_id string
---@return orchlua.Agent? agent, orchlua.Error? problem
function Agents:find(agent_id)
  local agent = self.found[agent_id]
  if agent then return agent end
  agent = config.match(self.agents, agent_id)
  if agent then return remember(self, agent_id, agent) end
  local hint = nearest.hint(agent_id, keys.sorted(self.agents))
  if not next(self.agents) then hint = "the configuration has no agents" end
  return nil, errors.new("agent", ("no agent `%s` in the configuration"):format(agent_id),
    { agent_id = agent_id, hint = hint, retryable = false })
end

--- Who handles an event that is not built in; nil when nobody does.
---@param name string
---@return orchlua.Agent?
function Agents:handler(name)
  return (config.match(self.events, name))
end

return M
