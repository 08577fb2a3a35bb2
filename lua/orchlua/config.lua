-- The configuration: a Lua file that returns a table. This module finds it,
-- runs it, checks every field and brings it into one normal form; the rest of
-- the runtime sees only that form. `config/fields.lua` says what a field may
-- hold, `config/globs.lua` which entry a name means.

local built_in = require "orchlua.built_in"
local errors = require "orchlua.error"
local fields = require "orchlua.config.fields"
local globs = require "orchlua.config.globs"
local keys = require "orchlua.keys"
local limits = require "orchlua.config.limits"
local models = require "orchlua.config.models"
local nearest = require "orchlua.nearest"
local problem_list = require "orchlua.config.problems"
local words = require "orchlua.dsl.words"

local M = {}

local FILE = "orchlua.config.lua"
local DEFAULTS = { timeout = 120, retries = 2, concurrency = 64 }

---@class orchlua.Config.Entry              an agent, or who answers an event
---@field name string                       the name or glob it stands under
---@field kind "lua"|"exec"|"http"|"agent"|"openai"|"anthropic"|"ollama"
---@field lua? function                     `lua`: what to call
---@field exec? string[]                    `exec`: program and arguments
---@field http? string                      `http`: where to post
---@field agent? string                     `agent` (events only): the agent that answers
---@field timeout number                    seconds, for all tries of a call
---@field try_timeout? number               seconds, for one try
---@field retries integer
---@field retries_given boolean             the entry itself says how many
---@field concurrency integer               calls at a time
---@field max_reply integer                 bytes
---@field reply_limit string                which limit that is, for messages
---@field latency? number                   `lua`: seconds before it answers
---@field stdin? "text"|"json"              `exec`: what the program reads
---@field cwd? string                       `exec`: seen from the configuration's folder
---@field env? table<string, string>        `exec`: added to what it inherits
---@field inherit? string[]|false           `exec`: the variables of the environment that it gets; absent: all
---@field reply? string                     `exec`: the field of its JSON answer that is the reply, `a.b.0`
---@field headers? table<string, string>    `http`
---@field model? orchlua.Config.Model       a model's settings
---@field memory? integer                   a model: exchanges of a run that it remembers
---@field stream? boolean                   a model: its answer comes in pieces
---@field rate? orchlua.Config.Rate         a model: how fast it may be asked
---@field provider_rate? orchlua.Config.Rate  the same of all agents of its kind together
---@field price? { input: number, output: number }  a model: money for a million tokens

---@class orchlua.Config
---@field folder string                     where `exec` agents run
---@field path? string                      what messages call it
---@field file? string                      the file that it was read from
---@field agents table<string, orchlua.Config.Entry>
---@field events table<string, orchlua.Config.Entry>
---@field functions table<string, function>
---@field patterns table<string, table>   name → the pattern itself, or `{ module =, folder = }`: a module and where it is looked for first
---@field policy orchlua.Config.Policy
---@field defaults { timeout: number, retries: integer, concurrency: integer }
---@field providers table<string, table>     by kind of model: what its agents share
---@field limits orchlua.Limits.Run         what a run may take of the machine
---@field retention { rows: integer, days: number }   what a store keeps of a run's history, and of runs that ended

---@class orchlua.Config.Policy             globs as keys; an absent table allows everything
---@field events? table<string, true>
---@field agents? table<string, true>
---@field profiles? table<string, { events?: string[], agents?: string[] }>   by the name that front matter gives
---@field source? string                    what messages call it; `policy` unless given
---@field outer? orchlua.Config.Policy      the one that it narrows

M.match = globs.match

-- Agents and events -------------------------------------------------------

local function schema(...)
  local all = {}
  for _, part in ipairs { ... } do
    for key, checker in pairs(part) do all[key] = checker end
  end
  return all
end

local call = {
  timeout = fields.seconds, try_timeout = fields.seconds, retries = fields.whole(0), concurrency = fields.whole(1)
}
local reply = { max_reply = fields.whole(1) }

local variables = fields.list(fields.name, 'a list of variables such as { "PATH", "HOME" }, or false')

-- Which variables a program inherits: none, those of a list, or (left out) all.
local function inherited(given)
  if given == false then return {} end
  return variables(given)
end

local lua = schema(call, { lua = fields.func, latency = fields.delay })
local exec = schema(call, reply, {
  exec = fields.command_line, stdin = fields.one_of("text", "json"), cwd = fields.name,
  env = fields.except(fields.environment, "ORCHLUA_REQUEST"), inherit = inherited, reply = fields.name
})
local http = schema(call, reply, { http = fields.url, headers = fields.except(fields.headers, "Idempotency-Key") })
local agent = { agent = fields.name, timeout = fields.seconds, try_timeout = fields.seconds, retries = fields.whole(0) }

local AGENT_KINDS = { lua = lua, exec = exec, http = http }
for kind in pairs(models.KINDS) do AGENT_KINDS[kind] = schema(call, reply, models.entry_fields(kind)) end
local EVENT_KINDS = { lua = lua, exec = exec, http = http, agent = agent }

local function quoted_list(names)
  local quoted = {}
  for index, name in ipairs(names) do quoted[index] = ("`%s`"):format(name) end
  return table.concat(quoted, ", ")
end

local function likely_kind(entry, kinds)
  for _, key in ipairs(keys.sorted(entry)) do
    local hint = type(key) == "string" and nearest.hint(key, keys.sorted(kinds))
    if hint then return "; " .. hint end
  end
  return ""
end

-- The one kind that an entry names, or nil when that was reported.
local function kind_of(problems, path, entry, kinds)
  local found = {}
  for _, key in ipairs(keys.sorted(entry)) do
    if models.KINDS[key] and not kinds[key] then
      problems:add(problem_list.join(path, key), "a model is an agent: name it in `agents`, and here `{ agent = \"NAME\" }`")
      return nil
    end
    if kinds[key] then found[#found + 1] = key end
  end
  if #found == 1 then return found[1] end
  local one_of = "expected one of " .. quoted_list(keys.sorted(kinds))
  if #found == 0 then
    problems:add(path, one_of .. likely_kind(entry, kinds))
  else
    problems:add(path, ("%s, got %s"):format(one_of, quoted_list(found)))
  end
  return nil
end

local function complete_model(problems, path, entry, providers)
  local problem, field = models.complete(entry, providers[entry.kind])
  if problem then problems:add(field and problem_list.join(path, field) or path, problem) end
end

local function entry_checker(problems, kinds, config)
  return function(path, name, entry)
    if type(entry) == "function" then entry = { lua = entry } end
    if type(entry) ~= "table" then return problems:expected(path, "a function or a table", entry) end
    local kind = kind_of(problems, path, entry, kinds)
    if not kind then return nil end
    local normal = problems:fields(path, entry, kinds[kind])
    normal.name, normal.kind, normal.retries_given = name, kind, normal.retries ~= nil
    for field, value in pairs(config.defaults) do
      if normal[field] == nil then normal[field] = value end
    end
    if kinds[kind].max_reply then
      normal.reply_limit = (normal.max_reply or math.huge) < config.limits.reply and "max_reply" or "limits.reply"
      normal.max_reply = math.min(normal.max_reply or math.huge, config.limits.reply)
    end
    if models.KINDS[kind] then complete_model(problems, path, normal, config.providers) end
    return normal
  end
end

-- What the runtime answers itself.
local function is_built_in(name)
  return name:find "^pattern:" ~= nil or built_in.events[name] and not built_in.replaceable[name]
end

local function check_events(problems, given, config)
  local check = entry_checker(problems, EVENT_KINDS, config)
  return problems:named("events", given, function(path, name, entry)
    if is_built_in(name) then
      return problems:add(path, ("`%s` is built in and cannot be replaced"):format(name))
    elseif not name:find "[:*]" then
      return problems:add(path, ("an event's name has a colon, as `ops:%s` has; no event is ever called `%s`"):format(name, name))
    end
    local normal = check(path, name, entry)
    if normal and normal.agent and globs.match(config.agents, normal.agent) == nil then
      problems:add(problem_list.join(path, "agent"), ("no agent `%s` in the configuration"):format(normal.agent))
    end
    return normal
  end)
end

-- The other sections ------------------------------------------------------

local REPLACEABLE = { GENERATE_TASKS = true }

local function check_functions(problems, given)
  local functions = given and require "orchlua.functions" or {}
  return problems:named("functions", given, function(path, name, value)
    if not name:find "^[A-Z][A-Z0-9_]*$" then
      return problems:add(path, "a function's name is upper-case letters, digits and `_`")
    elseif words.reserved[name] then
      return problems:add(path, ("`%s` is a word of the language"):format(name))
    elseif functions[name] and not REPLACEABLE[name] then
      return problems:add(path, ("hides the built-in function `%s`"):format(name))
    end
    return problems:value(path, value, fields.func)
  end)
end

local function pattern(value)
  if fields.name(value) then return value end
  if type(value) == "table" and type(value.run) == "function" then return value end
  return nil, "a module's name, or a table with a function `run`"
end

-- `{ "acme.vote" }` names the pattern `vote`; `{ vote = "acme.ballot" }` any name. A module may lie beside the configuration.
local function check_patterns(problems, given, folder)
  if type(given) ~= "table" then return problems:named("patterns", given) end
  local named = {}
  for key, value in pairs(given) do
    if math.type(key) == "integer" then
      key = type(value) == "table" and value.name or type(value) == "string" and value:match "[^.]+$" or key
    end
    if named[key] ~= nil then problems:add("patterns", ("two patterns are called `%s`"):format(tostring(key))) end
    named[key] = value
  end
  return problems:named("patterns", named, function(path, _, value)
    local normal = problems:value(path, value, pattern)
    return type(normal) == "string" and { module = normal, folder = folder } or normal
  end)
end

local rules = fields.list(fields.name, 'a list of names or globs such as { "agent:*" }')

local function rule_set(value)
  local list, expected, key = rules(value)
  if not list then return nil, expected, key end
  local set = {}
  for _, rule in ipairs(list) do set[rule] = true end
  return set
end

local RULES = { events = rule_set, agents = rule_set }
local DEFAULT_FIELDS = { timeout = fields.seconds, retries = fields.whole(0), concurrency = fields.whole(1) }
local RETENTION_FIELDS = { rows = fields.whole(0), days = fields.days }
local LIMIT_FIELDS = {}
for name in pairs(limits.DEFAULTS) do LIMIT_FIELDS[name] = fields.whole(1) end
local PROVIDERS = {}
for kind in pairs(models.KINDS) do PROVIDERS[kind] = models.provider end
local SECTIONS = {
  agents = true, providers = true, events = true, functions = true, patterns = true, policy = true, defaults = true, limits = true,
  retention = true
}

local function check_section(problems, path, given, section_schema)
  if given == nil then return {} end
  if type(given) ~= "table" then
    problems:expected(path, "a table", given)
    return {}
  end
  return problems:fields(path, given, section_schema)
end

local function section_with_defaults(problems, path, given, section_schema, defaults)
  local section = check_section(problems, path, given, section_schema)
  for field, value in pairs(defaults) do
    if section[field] == nil then section[field] = value end
  end
  return section
end

-- The policy, with its profiles: each is a policy of its own.
local function check_policy(problems, given)
  if type(given) ~= "table" then return check_section(problems, "policy", given, RULES) end
  local own = {}
  for key, value in pairs(given) do own[key] = value end
  own.profiles = nil
  local policy = check_section(problems, "policy", own, RULES)
  problems:named("policy.profiles", given.profiles, function(path, _, profile)
    if profile ~= nil and type(profile) ~= "table" then return problems:expected(path, "a table", profile) end
    return check_section(problems, path, profile, RULES)
  end)
  policy.profiles = given.profiles or {}
  return policy
end

--- Checks what a configuration returned and brings it into its normal form. All
--- problems are reported at once: a line of the message each, and in `problems`.
---@param given table
---@param folder string     where `exec` agents run
---@param path? string      the file it comes from
---@return orchlua.Config? config, orchlua.Error? problem
function M.check(given, folder, path)
  local problems = problem_list.new()
  if type(given) ~= "table" then
    problems:add("", ("a configuration is a table, got %s"):format(problem_list.shown(given)))
    given = {}
  end
  for _, key in ipairs(keys.sorted(given)) do
    if not SECTIONS[key] then problems:unknown("", key, SECTIONS) end
  end
  local config = { folder = folder, path = path }
  config.defaults = section_with_defaults(problems, "defaults", given.defaults, DEFAULT_FIELDS, DEFAULTS)
  config.limits = section_with_defaults(problems, "limits", given.limits, LIMIT_FIELDS, limits.DEFAULTS)
  config.retention = section_with_defaults(problems, "retention", given.retention, RETENTION_FIELDS, limits.RETENTION)
  config.providers = check_section(problems, "providers", given.providers, PROVIDERS)
  config.agents = problems:named("agents", given.agents, entry_checker(problems, AGENT_KINDS, config))
  config.events = check_events(problems, given.events, config)
  config.functions = check_functions(problems, given.functions)
  config.patterns = check_patterns(problems, given.patterns, folder)
  config.policy = check_policy(problems, given.policy)
  if #problems > 0 then return nil, problems:error(path) end
  return config
end

--- The configuration of a run that has none: with a key of a provider in the environment,
--- every agent is its model; else it knows no agents.
---@param getenv? fun(name: string): string?   the environment; `os.getenv` unless given
---@return orchlua.Config? config, orchlua.Error? problem
function M.default(getenv) return M.check({ agents = models.from_environment(getenv or os.getenv) }, ".") end

-- What the policy allows --------------------------------------------------

local function rule_text(policy, section)
  local quoted = {}
  for index, rule in ipairs(keys.sorted(policy[section])) do quoted[index] = ('"%s"'):format(rule) end
  local source = (policy.source or "policy") .. "." .. section
  if #quoted == 0 then return source .. " allows none" end
  return source .. " allows only " .. table.concat(quoted, ", ")
end

local function allows(config, section, name)
  local policy = config.policy
  while policy do
    if policy[section] and not globs.match(policy[section], name) then return false, rule_text(policy, section) end
    policy = policy.outer
  end
  return true
end

--- Whether a program may emit the event; if not, the rule that says so.
---@param config { policy: orchlua.Config.Policy }
---@param name string
---@return boolean allowed, string? rule
function M.allows_event(config, name) return allows(config, "events", name) end

--- Whether a program may ask the agent; if not, the rule that says so.
---@param config { policy: orchlua.Config.Policy }
---@param agent_id string
---@return boolean allowed, string? rule
function M.allows_agent(config, agent_id) return allows(config, "agents", agent_id) end

local function profiles(config)
  local policy = config.policy
  while policy.outer do policy = policy.outer end
  return policy.profiles or {}
end

--- A profile of the configuration's policy.
---@param config { policy: orchlua.Config.Policy }
---@param name? string
---@return { events?: string[], agents?: string[] }?
function M.profile(config, name) return profiles(config)[name] end

--- The names of the profiles of the configuration's policy.
---@param config { policy: orchlua.Config.Policy }
---@return string[]
function M.profile_names(config) return keys.sorted(profiles(config)) end

--- The configuration with less allowed: what its own policy and `policy` both allow.
---@param config orchlua.Config
---@param policy { events?: string[], agents?: string[] }  globs, as in a configuration
---@param source string     what messages call it
---@return orchlua.Config? narrowed, orchlua.Error? problem
function M.narrow(config, policy, source)
  local problems = problem_list.new()
  local inner = check_section(problems, source, policy, RULES)
  if #problems > 0 then return nil, problems:error() end
  inner.source, inner.outer = source, config.policy
  return setmetatable({ policy = inner }, { __index = config })
end

-- Files -------------------------------------------------------------------

local function folder_of(path) return path:match "^(.*/)[^/]*$" or "./" end

local function exists(path)
  local file, _, code = io.open(path)
  if file then file:close() end
  return code ~= 2 and code ~= 20 -- ENOENT, ENOTDIR; any other fault is for `load` to report
end

--- Finds the configuration of a program: the one named explicitly, else
--- `orchlua.config.lua` beside the program, else in the current folder.
---@param program_path? string
---@param explicit? string
---@return string? path
function M.find(program_path, explicit)
  if explicit then return explicit end
  local beside = program_path and folder_of(program_path) .. FILE
  if beside and beside ~= "./" .. FILE and exists(beside) then return beside end
  if exists(FILE) then return FILE end
  return nil
end

-- Where an error of the file `short` happened, as Lua writes it into messages.
local function split_position(message, short)
  local prefix = short .. ":"
  if message:sub(1, #prefix) ~= prefix then return message end
  local line, rest = message:match("^(%d+): (.*)$", #prefix + 1)
  return rest or message, math.tointeger(line)
end

-- The innermost line of `source` that is running, seen from an error's handler.
local function current_line(source)
  for level = 3, math.huge do
    local info = debug.getinfo(level, "Sl")
    if not info then return nil end
    if info.source == source then return info.currentline end
  end
end

--- Runs a configuration file and checks what it returns. The file is text, and
--- gets its folder as `...`; its globals are its own, over those of the host.
---@param path string
---@return orchlua.Config? config, orchlua.Error? problem
function M.load(path)
  local source = "@" .. path
  local short = debug.getinfo(load("", source), "S").short_src
  local function failed(problem, line)
    local message, found = split_position(tostring(problem), short)
    return nil, errors.new("config", message, { file = path, line = found or line, cause = errors.is(problem) and problem or nil })
  end
  local chunk, problem = loadfile(path, "t", setmetatable({}, { __index = _G }))
  if not chunk then return failed(problem) end
  local line
  local ok, result = xpcall(chunk, function(raised)
    line = current_line(source)
    return raised
  end, folder_of(path))
  if not ok then return failed(result, line) end
  if result == nil then return failed "it returns nothing; a configuration ends with `return { … }`" end
  local config, wrong = M.check(result, folder_of(path), path)
  if config then config.file = path end
  return config, wrong
end

return M
