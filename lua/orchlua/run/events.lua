-- What an EVENT does, by its name: the built-in ones first, then what the
-- configuration handles; the rest is recorded and published. `raise` starts an
-- event; `answered` takes the outcome of those that left the run as a request.

local budget = require "orchlua.run.budget"
local built_in = require "orchlua.built_in"
local check = require "orchlua.functions.check"
local config = require "orchlua.config"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local flow = require "orchlua.run.flow"
local mailbox = require "orchlua.run.mailbox"
local models = require "orchlua.run.models"
local optimizer = require "orchlua.optimizer"
local owns = require "orchlua.run.own"
local patterns = require "orchlua.patterns"
local at_once = require "orchlua.run.at_once"
local reply = require "orchlua.run.reply"
local in_flight = require "orchlua.run.in_flight"
local requests = require "orchlua.run.request"

local json, value = core.json, core.value
local copy, null = value.copy, value.null
local own, unspent = owns.own, owns.shared.usage
local new_request, register, send = requests.new, requests.register, requests.send
local type = type

local M = {}

local NO_DATA = {}

-- Requests ---------------------------------------------------------------------------

-- Before a question is sent, what a try of a model may take is reserved.
local function reserve(run, asked)
  local terms, usage = run.terms[asked.agent_id], run.usage
  if usage == unspent then usage = own(run, "usage") end
  if terms == nil then terms = models.terms(run, asked.agent_id) end
  if terms then models.prepare(run, asked, terms) end
  if terms or run.budgets then budget.open(run, asked) else usage.calls = usage.calls + 1 end
  usage.requests = usage.requests + 1
end

local function limits_of(data)
  if data.budget == nil or data.budget == null then return nil end
  local allotted, message, hint = budget.limits(data.budget)
  if not allotted then errors.raise("type", "`budget` of EVENT orchestration:run: " .. message, { hint = hint }) end
  return allotted
end

-- A sub-run gets its share of what is left.
local function reserve_run(run, asked)
  asked.allotted = budget.allotment(run, limits_of(asked.data))
  budget.open_run(run, asked)
end

local function reserve_for(run, asked)
  if asked.kind == "agent" then return reserve(run, asked) end
  if asked.kind == "run" then return reserve_run(run, asked) end
end

--- Sends a request that failed again, as it was evaluated, under a new number.
function M.send_again(run, branch, failed)
  if failed.kind == "pattern" then return M.call_pattern(run, branch, failed.site, failed.agent_id, failed.data) end
  local asked = requests.renewed(run, failed)
  local ok, refused = pcall(reserve_for, run, asked)
  if not ok then return run:throw(branch, refused, failed.site, failed) end
  run:publish(asked.name or "completion:async", {
    request_id = asked.key, agent_id = asked.kind == "agent" and asked.agent_id or nil, data = asked.data, branch = branch.label,
  })
  send(run, branch, asked)
end

local function object(data, name)
  if value.kind(data) ~= "object" then
    errors.raise("type", ("EVENT %s takes {…}, and got %s"):format(name, check.shown(data)))
  end
  return data
end

-- An object that has the event's fields, and no others.
local function fields_only(data, name) check.fields(name, object(data, name)) end

local function text_field(data, field, name)
  local text = data[field]
  if type(text) ~= "string" or text == "" then
    errors.raise("type", ("EVENT %s takes `%s`, a string, and got %s"):format(name, field, check.shown(text)))
  end
  return text
end

-- Answers an event that the run settles by itself.
local function answer(run, branch, site, result)
  if branch == run.main then run.last, run.last_request = result, nil end
  if run.program.sites[site].awaited then
    branch.site = site
    run:wake(branch, result)
  end
end

-- Tells of a request that is about to be sent: whoever answers it at once is heard after that.
local function tell(run, name, asked, data)
  if name ~= "completion:async" then asked.name = name end
  run:publish(name, run.telling and { request_id = asked.key, agent_id = asked.kind == "agent" and asked.agent_id or nil, data = data })
end

-- Built-in events ------------------------------------------------------------------------

local builtin = {}

--- What is done for each, by its name: those of `orchlua.built_in`, and `state:entity:replace`, which PERSIST raises.
M.handlers = builtin

-- An agent of which no more is known than that it may be asked.
local ANY = { plain = false }

-- An agent that the policy allows; remembered, since runs ask the same ones again.
local function allowed_agent(run, agent_id)
  local allowed, rule = config.allows_agent(run.setting.config, agent_id)
  if not allowed then errors.raise("policy", ("the agent `%s` is not allowed: %s"):format(agent_id, rule)) end
  local agent = run.ask_at_once and run.find_agent(agent_id) or ANY
  own(run, "allowed")[agent_id] = agent
  return agent
end

builtin["completion:async"] = function(run, branch, site, name, data)
  local agent_id = type(data) == "table" and data.agent_id
  local agent = run.allowed[agent_id] or allowed_agent(run, text_field(object(data, name), "agent_id", name))
  local prompt = data.prompt
  if type(prompt) ~= "string" then prompt = (prompt == nil or prompt == null) and "" or value.text(prompt, run) end
  local work = run.work
  if work.alone and agent.plain and work.rows_left > 0 and #data == 2 and data.prompt ~= nil and run.program.sites[site].awaited then
    return at_once.ask(run, branch, site, agent, agent_id, prompt, data)
  end
  local asked = new_request(run, branch, site, "agent", agent_id, prompt, data)
  reserve(run, asked)
  if run.telling then tell(run, name, asked, data) else run.seq = run.seq + 1 end
  send(run, branch, asked)
end

local function announce(run, branch, site, name, data)
  run:publish(name, run.recording and { data = data })
  answer(run, branch, site, data)
end

for _, name in ipairs { "agent:status", "agent:progress", "agent:result" } do builtin[name] = announce end

local function unknown(run, branch, site, name, data)
  if run.program.sites[site].awaited then
    errors.raise("event", ("nothing answers the event `%s`"):format(name), { hint = "name it in the configuration's `events`, or leave out AS" })
  end
  if not run.unknown_events[name] then
    own(run, "unknown_events")[name] = true
    run:publish("warning", { message = ("no configuration knows the event `%s`: it is recorded and published, nothing more"):format(name) })
  end
  announce(run, branch, site, name, data)
end

local function entity_id(data, name)
  local id = data.id
  if type(id) == "string" and id ~= "" or type(id) == "number" then return value.text(id) end
  errors.raise("type", ("EVENT %s takes `id`, a string, and got %s"):format(name, check.shown(id)))
end

local function entity_part(data, field, name)
  local part = data[field]
  if part == nil or part == null then return nil end
  if value.kind(part) ~= "object" then errors.raise("type", ("`%s` of EVENT %s is an object"):format(field, name)) end
  return part
end

local function entity_event(action)
  return function(run, branch, site, name, data)
    if action == "replace" and run.program.sites[site].node.tag ~= "Persist" then return unknown(run, branch, site, name, data) end
    fields_only(data, name)
    local type_name = data.type ~= nil and data.type ~= null and value.text(data.type) or "orchestration"
    local id = action ~= "query" and entity_id(data, name) or nil
    local parts = { properties = entity_part(data, "properties", name) or value.object {}, where = entity_part(data, "where", name) }
    local asked = new_request(run, branch, site, "entity", id and type_name .. "/" .. id or type_name, nil, data)
    asked.quiet = true
    asked.action, asked.type, asked.id, asked.properties, asked.where, asked.time = action, type_name, id, parts.properties, parts.where, run:now()
    if action == "update" and run.keeps then asked.most = run.limits.row end
    tell(run, name, asked, data)
    send(run, branch, asked)
  end
end

for _, action in ipairs { "create", "update", "replace", "get", "query", "delete" } do
  builtin["state:entity:" .. action] = entity_event(action)
end

builtin["orchestration:run"] = function(run, branch, site, name, data)
  fields_only(data, name)
  local file = text_field(data, "file", name)
  local input = entity_part(data, "input", name) or value.object {}
  local asked = new_request(run, branch, site, "run", file, nil, data)
  asked.file, asked.input, asked.quiet = file, input, true
  reserve_run(run, asked)
  tell(run, name, asked, data)
  send(run, branch, asked)
end

builtin["orchestration:request_termination"] = function(run, branch, site, name, data)
  run:publish(name, { data = data })
  branch.site = site
  local reason = value.kind(data) == "object" and data.reason ~= nil and data.reason ~= null and value.text(data.reason) or nil
  branch.wait = { ending = true }
  run:leave { status = "cancelled", reason = reason, error = errors.new("cancelled", reason or "the program asked to be ended") }
  -- In a FINALLY block, which goes on to its end.
  if branch.wait and branch.wait.ending then run:wake(branch) end
end

builtin["optimization:async"] = function(run, branch, site, name, data)
  object(data, name)
  run:publish(name, { data = data })
  answer(run, branch, site, optimizer.propose(data))
end

-- Events of the configuration, and unknown ones -------------------------------------------------

-- A handler in Lua answers with a value of its own; whoever else handles an event
-- is asked as an agent is, and answers with a reply.
local function handled(run, branch, site, name, data, handler)
  local is_object = value.kind(data) == "object"
  local prompt = is_object and type(data.prompt) == "string" and data.prompt or value.text(data, run)
  local asked = new_request(run, branch, site, handler.kind == "agent" and "agent" or "event", handler.agent or name, prompt,
    is_object and data or NO_DATA, handler.kind ~= "lua")
  asked.data, asked.quiet = data, handler.kind == "lua"
  if handler.agent then reserve(run, asked) end
  tell(run, name, asked, data)
  send(run, branch, asked)
end

--- Calls a pattern: a request that the run answers itself, when the pattern's code has returned.
function M.call_pattern(run, branch, site, name, data)
  local pattern, err = patterns.find(name:match "^pattern:(.*)$", run.patterns)
  if not pattern then error(err, 0) end
  local params = patterns.check(pattern, data == null and value.object {} or data)
  local asked = new_request(run, branch, site, "pattern", name, nil, data == null and NO_DATA or data)
  asked.data = data
  register(run, branch, asked)
  tell(run, name, asked, data)
  flow.start(run, branch, asked, pattern, params)
end

--- A pattern's code has returned, or raised.
---@param record table   of the call
---@param result any     a value, or nil and
---@param err? orchlua.Error
function M.pattern_ended(run, record, result, err)
  local asked = in_flight.take(run, record.request)
  if not asked then return end
  local row = reply.row(run, asked, result, err, 1, math.max(0, run.time - record.started))
  if err then row.error.fields = err.fields end
  M.answered(run, asked, row)
end

-- What the runtime tells of a run, and a program could forge.
local RUNTIMES = {}
for _, what in ipairs { "started", "resumed", "completed", "failed", "cancelled" } do RUNTIMES["run:" .. what] = true end

-- What is done for an event of a name, where the policy allows it.
local function action_for(run, name)
  local allowed, rule = config.allows_event(run.setting.config, name)
  if not allowed then errors.raise("policy", ("the event `%s` is not allowed: %s"):format(name, rule)) end
  if RUNTIMES[name] then errors.raise("event", ("the event `%s` is raised by the runtime alone"):format(name), { hint = "give it another name" }) end
  local handler = run.event_handler and run.event_handler(name)
  if handler and (not builtin[name] or built_in.replaceable[name]) then
    return function(r, branch, site, _, data) return handled(r, branch, site, name, data, handler) end
  end
  return builtin[name] or name:find "^pattern:" and M.call_pattern or unknown
end

--- Raises an event in a branch at a site; true and its answer when the branch goes on with that at once.
function M.raise(run, branch, site, name, data)
  local known = run.program.sites[site].data
  if known ~= "flat" and type(data) == "table" then
    local copied, message = copy(data, known == "fresh", run)
    if copied == nil then errors.raise("limit", "the event's data is " .. message) end
    data = copied
  end
  local action = run.actions[name]
  if not action then
    action = action_for(run, name)
    own(run, "actions")[name] = action
  end
  return action(run, branch, site, name, data)
end

-- Answers ---------------------------------------------------------------------------------------

-- The value that an answer is: of an agent a reply, of a handler in Lua, an entity or
-- a sub-run a value of its own.
local function result_of(asked, row)
  local body = row.body
  if row.error then return reply.failed(asked, row) end
  if asked.quiet then return (json.decode(body)) end
  return reply.new(asked, row.duration, row.attempts, body, row.parsed or reply.parsed(body))
end

local function as_error(asked, row)
  local err = row.error
  local agent_id = not asked.quiet and asked.agent_id or nil
  return errors.new(err.type, err.message, {
    agent_id = agent_id, attempts = agent_id and row.attempts, status = err.status, hint = err.hint, fields = err.fields,
  })
end

local function awaited_error(run, asked, branch, result, row)
  local on_error = asked.options.on_error
  local raises = on_error == "raise" or on_error == nil and (asked.quiet or run.program.sites[asked.site].raises)
  if raises then return run:throw(branch, as_error(asked, row), asked.site, asked) end
  run:wake(branch, result)
end

local function publish_reply(run, asked, row, result, branch)
  run:publish("reply", {
    request_id = asked.key, agent_id = asked.agent_id, success = row.error == nil, attempts = row.attempts,
    duration = row.duration, data = (row.error or not run.brief) and result or nil, branch = branch and branch.label,
    usage = asked.usage and budget.to_value(asked.usage),
  })
end

--- A request of the run has been answered: the branch that waits goes on, or the
--- reply becomes a message.
function M.answered(run, asked, row)
  local branch, kind, failed = run.branches[asked.branch], asked.kind, row.error
  if asked.open or asked.asks then budget.close(run, asked, row.usage) end
  if kind == "agent" and asked.worst and not failed then models.answered(run, asked, row.body) end
  local result = result_of(asked, row)
  if kind ~= "entity" then
    if run.telling then publish_reply(run, asked, row, result, branch) else run.seq = run.seq + 1 end
  end
  if run.last_request == asked.number then
    if failed or asked.quiet then run.last = result else run.last = result.result end
  end
  if asked.awaited then
    if not branch then return end
    if failed then return awaited_error(run, asked, branch, result, row) end
    return run:wake(branch, result)
  end
  asked.home.outstanding = math.max(0, asked.home.outstanding - 1)
  if asked.quiet then
    if failed and kind == "entity" then run:publish("warning", { message = failed.message }) end
    return
  end
  local raises = failed and asked.options.on_error == "raise" and as_error(asked, row) or nil
  mailbox.post(run, asked.home, { agent_id = asked.agent_id, reply = result, raises = raises, asked = raises and asked })
end

return M
