-- Model agents in a configuration: an entry names its kind (`openai`, `anthropic`,
-- `ollama`) with a table of settings, and `providers` gives what all agents of a kind
-- share. This brings both into one normal form; `agents/models` sends it.

local fields = require "orchlua.config.fields"

local M = {}

---@class orchlua.Config.Model
---@field base_url? string                 none: the vendor's own
---@field model string
---@field api_key_env? string              the environment variable that holds the key
---@field api_key_file? string             a file that holds it, seen from the configuration's folder
---@field headers? table<string, string>
---@field system? string|false             `{agent_id}` in it is the agent's name; false: none
---@field temperature? number
---@field max_tokens? integer              tokens of an answer at most
---@field fields table<string, any>        sent as given, values of the language

---@class orchlua.Config.Rate
---@field requests? integer   tries in any `per` seconds
---@field tokens? integer     tokens in any `per` seconds
---@field per number          seconds

--- The kinds of agents that are models.
M.KINDS = { openai = true, anthropic = true, ollama = true }

-- Exchanges that an agent remembers within a run, unless it is told otherwise.
local TURNS = 8

-- A value to send as given. A configuration without one needs no core.
local function anything(given)
  local converted, problem = require("orchlua.core").value.from_lua(given)
  if converted == nil then return nil, "a value that JSON has (" .. problem .. ")" end
  return converted
end

local function system(given)
  if given == false then return false end
  if type(given) == "string" then return given end
  return nil, "a text, or false for none"
end

local function number(given)
  if type(given) == "number" and given == given and math.abs(given) ~= math.huge then return given end
  return nil, "a number"
end

-- What may stand beside the kind as well as in its table.
local SHARED = { model = fields.name, system = system, temperature = number, max_tokens = fields.whole(1) }

local SETTINGS = {
  base_url = fields.url, api_key_env = fields.name, api_key_file = fields.name, headers = fields.except(fields.headers, "Idempotency-Key"),
}
for name, checker in pairs(SHARED) do SETTINGS[name] = checker end

-- Fields of a request that are the runtime's.
local RESERVED = { messages = true, stream = true, n = true, api_key = true }

local function without(name)
  if name == "api_key" then return "no key in the configuration: name its variable with `api_key_env`, or its file with `api_key_file`" end
  if name == "stream" then return "`stream = true` beside the kind, not in its table" end
  return "nothing here: the runtime sets this field"
end

-- The settings of a kind: those that are known, and others, which are sent as given.
local function settings(given)
  if type(given) == "string" then given = { model = given } end
  if type(given) ~= "table" then return nil, "a table such as { model = \"…\" }" end
  local normal = { fields = {} }
  for name, setting in pairs(given) do
    if type(name) ~= "string" then return nil, "names as keys", name end
    if RESERVED[name] then return nil, without(name), name end
    local checked, expected = (SETTINGS[name] or anything)(setting)
    if checked == nil then return nil, expected, name end
    if SETTINGS[name] then normal[name] = checked else normal.fields[name] = checked end
  end
  return normal
end

-- How many exchanges are remembered.
local function memory(given)
  if given == true then return TURNS end
  if given == false then return 0 end
  if type(given) == "table" and next(given) == "turns" and next(given, "turns") == nil then
    local turns = fields.whole(0)(given.turns)
    if turns then return turns end
  end
  return nil, "true, false or { turns = n }"
end

local function record(checkers, expected, complete)
  return function(given)
    if type(given) ~= "table" then return nil, expected end
    local normal = {}
    for name, one in pairs(given) do
      if not checkers[name] then return nil, expected end
      local checked, wanted = checkers[name](one)
      if checked == nil then return nil, wanted, name end
      normal[name] = checked
    end
    if not complete(normal) then return nil, expected end
    return normal
  end
end

local rate = record({ requests = fields.whole(1), tokens = fields.whole(1), per = fields.seconds },
  "a table such as { requests = 60, tokens = 90000, per = 60 }", function(normal)
    normal.per = normal.per or 60
    return normal.requests or normal.tokens
  end)

-- US dollars, or whatever currency the budget is in, for a million tokens.
local price = record({ input = fields.delay, output = fields.delay }, "a table such as { input = 3, output = 15 }: money for a million tokens",
  function(normal) return normal.input and normal.output end)

--- The fields that the entry of a model agent may have beside those of every agent.
---@param kind string
---@return table<string, orchlua.config.Checker>
function M.entry_fields(kind)
  local all = { [kind] = settings, memory = memory, stream = fields.boolean, rate = rate, price = price }
  for name, checker in pairs(SHARED) do all[name] = checker end
  return all
end

--- What `providers` may say of a kind.
---@return orchlua.config.Checker
function M.provider(given)
  if type(given) ~= "table" then return nil, "a table such as { api_key_env = \"…\", rate = { requests = 60 } }" end
  local own, rest = {}, {}
  for name, setting in pairs(given) do
    if name == "rate" or name == "price" then own[name] = setting else rest[name] = setting end
  end
  local normal, expected, key = settings(rest)
  if not normal then return nil, expected, key end
  for name, checker in pairs { rate = rate, price = price } do
    if own[name] ~= nil then
      normal[name], expected = checker(own[name])
      if normal[name] == nil then return nil, expected, name end
    end
  end
  return normal
end

local function merged(model, provider)
  for name, setting in pairs(provider or {}) do
    if SETTINGS[name] and model[name] == nil then model[name] = setting end
  end
  for name, field in pairs(provider and provider.fields or {}) do
    if model.fields[name] == nil then model.fields[name] = field end
  end
  return model
end

--- Completes the entry of a model agent whose fields have been checked.
---@param entry table
---@param provider? table     what `providers` says of its kind
---@return string? problem, string? field
function M.complete(entry, provider)
  local model = entry[entry.kind]
  if not model then return nil end -- reported already
  for name in pairs(SHARED) do
    if entry[name] ~= nil and model[name] ~= nil then return ("`%s` is given twice: beside `%s` and in it"):format(name, entry.kind), name end
    if entry[name] ~= nil then model[name], entry[name] = entry[name], nil end
  end
  entry.model = merged(model, provider)
  if not model.model then return ("expected the name of a model, as `%s = { model = \"…\" }`"):format(entry.kind) end
  entry.memory = entry.memory or TURNS
  entry.price = entry.price or provider and provider.price or entry.kind == "ollama" and { input = 0, output = 0 } or nil
  entry.provider_rate = provider and provider.rate
end

-- No configuration -----------------------------------------------------------------------

-- By kind: the variable that says the provider may be used, those for its address and
-- model, and the model without one.
local ENVIRONMENT = {
  { kind = "openai", key = "OPENAI_API_KEY", base_url = "OPENAI_BASE_URL", model = "OPENAI_MODEL", default = "gpt-4o-mini" },
  { kind = "anthropic", key = "ANTHROPIC_API_KEY", base_url = "ANTHROPIC_BASE_URL", model = "ANTHROPIC_MODEL", default = "claude-sonnet-4-5" },
  { kind = "ollama", key = "OLLAMA_HOST", base_url = "OLLAMA_HOST", model = "OLLAMA_MODEL", default = "llama3.2" },
}

-- A host and its port, if it says one; an address of IPv6 may stand without its brackets.
local function host_and_port(text)
  if text:find ":.*:" and not text:find("[", 1, true) then return "[" .. text .. "]" end
  local name, port = text:match "^(.*):(%d+)$"
  name = name or text
  return (name == "" or name == "0.0.0.0") and "127.0.0.1" or name, port
end

--- What OLLAMA_HOST means: a host, with or without scheme, port and path, as Ollama's own client reads it.
---@param host string
---@return string
function M.ollama_address(host)
  local scheme, rest = host:match "^(%a+)://(.*)$"
  local authority, path = (rest or host):gsub("/+$", ""):match "^([^/]*)(.*)$"
  local name, port = host_and_port(authority)
  local default = scheme == "https" and "443" or scheme and "80" or "11434"
  return ("%s://%s:%s%s"):format(scheme or "http", name, port or default, path)
end

local function given(getenv, name)
  local text = getenv(name)
  return text ~= "" and text or nil
end

--- The agents of a run without any configuration: with a key in the environment every
--- agent is that provider's model, with its name as its role.
---@param getenv fun(name: string): string?
---@return table agents   as a configuration has them
function M.from_environment(getenv)
  for _, provider in ipairs(ENVIRONMENT) do
    if given(getenv, provider.key) then
      local base_url = given(getenv, provider.base_url)
      if base_url and provider.kind == "ollama" then base_url = M.ollama_address(base_url) end
      local model = { model = given(getenv, provider.model) or provider.default, base_url = base_url }
      if provider.kind ~= "ollama" then model.api_key_env = provider.key end
      return { ["*"] = { [provider.kind] = model } }
    end
  end
  return {}
end

return M
