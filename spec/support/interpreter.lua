-- A plain, slow interpreter of the language for the specs: it walks the checked tree,
-- statement by statement, as the language page says. It shares the parser and the checker
-- with the product, and nothing else: not the emitted code, not the operators, not the functions.

local check = require "orchlua.dsl.check"
local expressions = require "spec.support.interpreter.expressions"
local grammar = require "orchlua.dsl.grammar"
local signatures = require "orchlua.functions"
local method_signatures = require "orchlua.functions.methods"
local source = require "orchlua.dsl.source"
local values = require "spec.support.interpreter.values"
local worlds = require "spec.support.interpreter.world"

local null, kind, raise, truthy = values.null, values.kind, values.raise, values.truthy
local value = expressions.value

local M = {}

---@class spec.Interpreter
local Interpreter = {}
Interpreter.__index = Interpreter

local statement = {}

-- What a block that is left early gives: these, or `{value}` for a RETURN.
local BREAK, CONTINUE = { jump = "break" }, { jump = "continue" }

-- Names -------------------------------------------------------------------------------------------

local collect

-- Adds what a statement introduces to `found`: names by how, "state" or "as". Block
-- names hide; a parallel iteration keeps its own.
local function introduce(found, hidden, name, how)
  if name and not hidden[name.name] then found[name.name] = found[name.name] == "as" and "as" or how end
end

local function hiding(hidden, ...)
  local inner = setmetatable({}, { __index = hidden })
  for _, name in ipairs { ... } do inner[name] = true end
  return inner
end

local collectors = {}

function collectors.State(node, found, hidden)
  if node.target.tag == "Name" then introduce(found, hidden, node.target, "state") end
end

function collectors.Input(node, found, hidden) introduce(found, hidden, node.name, "state") end
function collectors.Event(node, found, hidden) introduce(found, hidden, node.as, "as") end

function collectors.Await(node, found, hidden)
  introduce(found, hidden, node.as, "as")
  if not node.body then introduce(found, hidden, node.var, "as") end
  collect(node.body, found, node.var and hiding(hidden, node.var.name) or hidden)
  collect(node.on_timeout, found, hidden)
end

function collectors.If(node, found, hidden)
  for _, clause in ipairs(node.clauses) do collect(clause.body, found, hidden) end
  collect(node.otherwise, found, hidden)
end

function collectors.While(node, found, hidden) collect(node.body, found, hidden) end
function collectors.Branch(node, found, hidden) collect(node.body, found, hidden) end

function collectors.Foreach(node, found, hidden)
  collect(node.body, found, hiding(hidden, node.var.name, node.key and node.key.name or node.var.name))
end

function collectors.Switch(node, found, hidden)
  for _, case in ipairs(node.cases) do collect(case.body, found, hidden) end
  collect(node.default, found, hidden)
end

function collectors.Try(node, found, hidden)
  collect(node.body, found, hidden)
  if node.catch then collect(node.catch.body, found, node.catch.var and hiding(hidden, node.catch.var.name) or hidden) end
  collect(node.finally, found, hidden)
end

function collectors.Parallel(node, found, hidden)
  for _, child in ipairs(node.body) do
    if child.tag ~= "Foreach" then collect({ child }, found, hidden) end
  end
end

function collect(block, found, hidden)
  for _, node in ipairs(block or {}) do
    if collectors[node.tag] then collectors[node.tag](node, found, hidden) end
  end
  return found
end

-- The scope of a parallel iteration: `AS` names are its own, and `STATE` names that
-- nothing outside introduces.
local function iteration_scope(node, outer)
  local own = expressions.scope(outer)
  local loop = hiding({}, node.var.name, node.key and node.key.name or node.var.name)
  for name, how in pairs(collect(node.body, {}, loop)) do
    if how == "as" or not expressions.find(outer, name) then own.names[name] = null end
  end
  return own
end

-- Assigning -----------------------------------------------------------------------------------------

local function assign(name, scope, new)
  expressions.find(scope, name).names[name] = new
end

local function store(path, scope, new)
  if path.tag == "Name" then return assign(path.name, scope, new) end
  local object = value(path.object, scope)
  local key = path.tag == "Field" and path.name or value(path.index, scope)
  if kind(object) == "object" then
    values.set(object, expressions.key(key), new)
  elseif kind(object) == "array" and path.tag == "Index" then
    local at = expressions.position(key)
    if at > #object.items then raise "type" end
    object.items[at + 1] = new
  else
    raise "type"
  end
end

function statement.State(_, _, node, scope) store(node.target, scope, value(node.value, scope)) end

statement.Update = statement.State

function statement.Input(_, _, node, scope) assign(node.name.name, scope, value(node.default, scope)) end

function statement.Append(_, _, node, scope)
  local new, list = value(node.value, scope), value(node.target, scope)
  if list == null then return store(node.target, scope, values.array { new }) end
  if kind(list) ~= "array" then raise "type" end
  table.insert(list.items, new)
end

function statement.Track(_, _, node, scope) value(node.data, scope) end

function statement.Heading() end

-- Control -------------------------------------------------------------------------------------------

function statement.If(self, strand, node, scope)
  for _, clause in ipairs(node.clauses) do
    self:at(strand, clause)
    if truthy(value(clause.cond, scope)) then return self:block(strand, clause.body, scope) end
  end
  return self:block(strand, node.otherwise, scope)
end

function statement.While(self, strand, node, scope)
  while true do
    self:at(strand, node)
    if not truthy(value(node.cond, scope)) then return end
    local left = self:block(strand, node.body, scope)
    if left == BREAK then return end
    if left and left ~= CONTINUE then return left end
  end
end

-- What a FOREACH goes over, as it is now: keys and values.
local function items_of(node, scope)
  local list = value(node.list, scope)
  local keys, items = {}, {}
  if kind(list) == "array" then
    for i, item in ipairs(list.items) do keys[i], items[i] = i - 1, item end
  elseif kind(list) == "object" then
    for i, key in ipairs(list.keys) do
      keys[i] = key
      if node.key then items[i] = list.fields[key] else items[i] = key end
    end
  else
    raise "type"
  end
  return keys, items
end

local function turn_scope(node, outer, position, key, item)
  local inner = expressions.scope(outer)
  inner.names[node.var.name], inner.names.FOREACH_INDEX = item, position
  if node.key then inner.names[node.key.name] = key end
  return inner
end

function statement.Foreach(self, strand, node, scope)
  local keys, items = items_of(node, scope)
  for i, item in ipairs(items) do
    local left = self:block(strand, node.body, turn_scope(node, scope, i - 1, keys[i], item))
    if left == BREAK then return end
    if left and left ~= CONTINUE then return left end
  end
end

function statement.Break() return BREAK end
function statement.Continue() return CONTINUE end

function statement.Switch(self, strand, node, scope)
  local subject = value(node.subject, scope)
  for _, case in ipairs(node.cases) do
    for _, expected in ipairs(case.values) do
      self:at(strand, expected)
      if values.equal(subject, value(expected, scope)) then return self:block(strand, case.body, scope) end
    end
  end
  return self:block(strand, node.default, scope)
end

function statement.Return(_, _, node, scope)
  return { value = node.value and value(node.value, scope) or not node.value and null }
end

-- Errors ---------------------------------------------------------------------------------------------

-- An error as CATCH binds it.
local function error_value(err)
  if err.thrown then return err.thrown end
  local object = values.of("type", err.type, "message", err.message)
  for _, key in ipairs { "line", "agent_id", "attempts" } do
    if err[key] ~= nil then values.set(object, key, err[key]) end
  end
  local more = {}
  for key in pairs(err.fields or {}) do more[#more + 1] = key end
  table.sort(more)
  for _, key in ipairs(more) do
    if object.fields[key] == nil then values.set(object, key, err.fields[key]) end
  end
  return object
end

function statement.Fail(_, _, node, scope)
  local thrown = value(node.value, scope)
  if kind(thrown) ~= "object" then raise("user", values.text(thrown)) end
  local given, message = values.get(thrown, "type"), values.get(thrown, "message")
  raise(type(given) == "string" and given or "user", values.text(truthy(message or null) and message or thrown), thrown.fields)
end

-- Runs a block, counting it in a field of the strand; gives ok and how it was left, or the error.
local function guarded(self, strand, counts, block, scope)
  for _, count in ipairs(counts) do strand[count] = strand[count] + 1 end
  local ok, left = pcall(self.block, self, strand, block, scope)
  for _, count in ipairs(counts) do strand[count] = strand[count] - 1 end
  if not ok and type(left) ~= "table" then error(left, 0) end
  if not ok and not left.cancel then left.line = left.line or strand.line end
  return ok, left
end

local function catch(self, strand, node, scope, err)
  local inner = expressions.scope(scope)
  if node.var then inner.names[node.var.name] = error_value(err) end
  return guarded(self, strand, {}, node.body, inner)
end

-- The FINALLY block: a cancel meanwhile waits until it has ended. For an error that
-- nobody takes it does not run.
local function finally(self, strand, node, scope, ok, left)
  if not ok and left ~= worlds.CANCEL and strand.catchers == 0 then return ok, left end
  strand.cancelled = false
  local well, instead = guarded(self, strand, { "finishing" }, node.finally, scope)
  if not well then return false, instead end
  if strand.finishing == 0 and strand.cancel_later then
    strand.cancelled, strand.cancel_later = true, false
    return false, worlds.CANCEL
  end
  if left == worlds.CANCEL and not instead then strand.cancelled = true end
  if instead then return true, instead end
  return ok, left
end

function statement.Try(self, strand, node, scope)
  local ok, left = guarded(self, strand, { "inside", node.catch and "catchers" }, node.body, scope)
  if not ok and left ~= worlds.CANCEL and node.catch then ok, left = catch(self, strand, node.catch, scope, left) end
  if node.finally then ok, left = finally(self, strand, node, scope, ok, left) end
  if not ok then error(left, 0) end
  return left
end

-- Waiting --------------------------------------------------------------------------------------------

local function seconds(v)
  if kind(v) ~= "number" or v < 0 then raise "type" end
  return v
end

function statement.Wait(self, strand, node, scope)
  self.world:pause(strand, seconds(value(node.seconds, scope)))
end

local function names_of(from)
  local names = kind(from) == "array" and from.items or { from }
  if #names == 0 then raise "type" end
  for _, name in ipairs(names) do
    if type(name) ~= "string" or name == "" then raise "type" end
  end
  return names
end

function statement.Await(self, strand, node, scope)
  local from = node.from and value(node.from.value, scope)
  local timeout = node.timeout and value(node.timeout, scope)
  if timeout == null then timeout = nil end
  local wanted = { mode = node.from and node.from.mode, from = node.from and names_of(from) }
  local message = self.world:await(strand, wanted, timeout and seconds(timeout))
  if not node.body and not node.on_timeout then return assign(node.var.name, scope, message == nil and null or message) end
  if message == nil then return self:block(strand, node.on_timeout, scope) end
  local inner = expressions.scope(scope)
  inner.names[node.var.name] = message
  return self:block(strand, node.body, inner)
end

local function agent_request(data)
  local agent_id, prompt = values.get(data, "agent_id"), values.get(data, "prompt")
  if type(agent_id) ~= "string" or agent_id == "" then raise "type" end
  return {
    agent_id = agent_id, prompt = (prompt == nil or prompt == null) and "" or values.text(prompt), timeout = values.get(data, "timeout"),
    task_id = values.get(data, "task_id"), on_error = values.get(data, "on_error"),
  }
end

local events = {}

events["completion:async"] = function(self, strand, data, awaited)
  if kind(data) ~= "object" then raise "type" end
  local request = agent_request(data)
  request.awaited = awaited
  request.raises = request.on_error == "raise" or request.on_error ~= "return" and (not strand.parent or strand.inside > 0)
  self.world:ask(strand, request)
  return not awaited
end

for _, action in ipairs { "create", "update", "get", "delete", "replace" } do
  events["state:entity:" .. action] = function(self, strand, data, awaited)
    awaited = awaited or action == "create"
    self.world:entity(strand, action, data, awaited)
    return not awaited
  end
end

-- Raises an event; waits when somebody answers later and it is awaited.
local function emit(self, strand, name, data, awaited)
  data = values.copy(data)
  local handler = events[name]
  if not handler then
    self.world:answer(strand, data)
    return data
  end
  if handler(self, strand, data, awaited) then return nil end
  return self.world:pause(strand)
end

function statement.Event(self, strand, node, scope)
  local data = node.data and value(node.data, scope) or null
  local found = emit(self, strand, node.name, data, node.as ~= nil)
  if node.as then assign(node.as.name, scope, found) end
end

function statement.Send(self, strand, node, scope)
  if node.options then
    local options, data = value(node.options, scope), values.object()
    if kind(options) ~= "object" or options.fields.to == nil or options.fields.message == nil then raise "type" end
    for _, key in ipairs(options.keys) do values.set(data, ({ to = "agent_id", message = "prompt" })[key] or key, options.fields[key]) end
    return emit(self, strand, "completion:async", data)
  end
  local to = value(node.to, scope)
  emit(self, strand, "completion:async", values.of("agent_id", to, "prompt", value(node.message, scope)))
end

function statement.Share(self, strand, node, scope)
  local shared, agents = value(node.name, scope), value(node.with, scope)
  for _, agent in ipairs(kind(agents) == "array" and agents.items or { agents }) do
    emit(self, strand, "completion:async", values.of("agent_id", agent, "prompt", values.of(node.name.name, shared)))
  end
end

function statement.Persist(self, strand, node, scope)
  local entity_kind, data = value(node.kind, scope), value(node.data, scope)
  if kind(data) ~= "object" or (values.get(data, "key") or null) == null then raise "type" end
  emit(self, strand, "state:entity:replace",
    values.of("type", values.text(entity_kind), "id", values.text(data.fields.key), "properties", values.get(data, "data") or null))
end

-- Side by side -----------------------------------------------------------------------------------------

local function child(self, block, scope, iteration)
  return { iteration = iteration, run = function(strand)
    local ok, left = guarded(self, strand, {}, block, scope())
    if not ok then error(left, 0) end
    return left
  end }
end

local function iterations(self, node, scope, codes)
  local keys, items = items_of(node, scope)
  for i, item in ipairs(items) do
    codes[#codes + 1] = child(self, node.body, function()
      return turn_scope(node, iteration_scope(node, scope), i - 1, keys[i], item)
    end, true)
  end
end

local function limit_of(v)
  if v == null then return math.huge end
  local limit = kind(v) == "number" and math.tointeger(v)
  if not limit or limit < 1 then raise "type" end
  return limit
end

function statement.Parallel(self, strand, node, scope)
  local given, codes = node.limit and value(node.limit, scope) or null, {}
  for _, each in ipairs(node.body) do
    self:at(strand, each)
    if each.tag == "Foreach" then
      iterations(self, each, scope, codes)
    elseif each.tag ~= "Heading" then
      if each.label then value(each.label, scope) end
      codes[#codes + 1] = child(self, each.tag == "Branch" and each.body or { each }, function() return scope end)
    end
  end
  self:at(strand, node)
  self.world:parallel(strand, codes, limit_of(given))
end

-- The whole --------------------------------------------------------------------------------------------

--- Notes where a strand is, for its errors.
function Interpreter:at(strand, node)
  strand.line = (self.source:position(node.pos))
end

--- Runs a block; gives how it was left early, or nil.
function Interpreter:block(strand, block, scope)
  for _, node in ipairs(block or {}) do
    self:at(strand, node)
    local left = statement[node.tag](self, strand, node, scope)
    if left then return left end
  end
end

local function parsed(text)
  local problems, read = {}, source.new(text, "random.dsl")
  local function report(node, message) problems[#problems + 1] = ("%d: %s"):format((read:position(node.pos)), message) end
  local tree = grammar.parse(read, problems)
  if #problems == 0 then
    check.check(tree, { source = read, functions = signatures, methods = method_signatures, report = report, warn = function() end })
  end
  if #problems > 0 then error("the program is wrong: " .. tostring(problems[1].message or problems[1]), 0) end
  return read, tree
end

--- Runs a program to its end.
---@param text string
---@param agents table<string, { latency: number, answer: fun(prompt: string): string?, table? }>
---@return { status: string, result: any, error: table?, state: table, asked: integer }
function M.run(text, agents)
  local read, tree = parsed(text)
  local self = setmetatable({ source = read, world = worlds.new(agents) }, Interpreter)
  local names = expressions.scope()
  for name in pairs(collect(tree.body, {}, {})) do names.names[name] = null end
  self.world:run(child(self, tree.body, function() return names end).run)
  local world = self.world
  return { status = world.status, result = world.result, error = world.error, state = names.names, asked = world.request_count, time = world.now }
end

M.json, M.null = values.json, null

return M
