-- What every name, function and jump of a program refers to: the second pass
-- over the tree. It resolves each Name to its slot, turns element expressions
-- into lambdas, and reports whatever cannot mean anything. `emit` relies on
-- every annotation made here.

local built_in = require "orchlua.built_in"
local element = require "orchlua.dsl.element"
local keys = require "orchlua.keys"
local nearest = require "orchlua.nearest"
local scope = require "orchlua.dsl.scope"
local walk = require "orchlua.dsl.walk"

local M = {}

---@class orchlua.Checker
---@field report fun(node: orchlua.Node, message: string, hint?: string)
---@field warn fun(node: orchlua.Node, message: string, hint?: string)
local Checker = {}
Checker.__index = Checker

-- Expressions ---------------------------------------------------------------

local expression = {}

--- Resolves an expression in a scope.
function Checker:expression(node, where)
  if walk.link[node.tag] then return self:chain(node, where) end
  local handler = expression[node.tag]
  if handler then
    handler(self, node, where)
  else
    walk.parts(node, function(part) self:expression(part, where) end)
  end
end

-- The names that can be seen from a scope, sorted.
local function known_names(where)
  local names = {}
  while where do
    for name in pairs(where.names) do names[#names + 1] = name end
    where = where.parent
  end
  table.sort(names)
  return names
end

-- What other languages call the constants, in small letters.
local constants = { ["true"] = "true", ["false"] = "false", null = "null", none = "null", ["nil"] = "null", undefined = "null" }

local function constant_hint(name)
  local constant = constants[name:lower()]
  return constant and ("did you mean `%s`?"):format(constant)
end

function Checker:unknown_name(node, where)
  local name = node.name
  self.report(node, ("`%s` is introduced nowhere"):format(name), function()
    return constant_hint(name) or nearest.hint(name, known_names(where)) or ("introduce it with `STATE %s = …`, `AS %s` or `INPUT %s`"):format(name, name, name)
  end)
end

function expression.Name(self, node, where)
  local slot = scope.find(where, node.name)
  if not slot then return self:unknown_name(node, where) end
  node.slot = slot
  slot.reads = slot.reads + 1
  slot.first_read = slot.first_read or node
end

-- A bare name of the element's fields first, as `COUNT(phases WHERE status == "done")` reads them.
function expression.WhereName(_, node, where)
  node.element = scope.find(where, node.param)
  node.slot = scope.find(where, node.name)
  if node.slot then node.slot.reads = node.slot.reads + 1 end
end

function expression.Lambda(self, node)
  self.report(node, "`=>` is written only as an argument of a collection function",
    "for example FILTER(list, x => x > 1)")
end

function Checker:lambda(node, where)
  local inner = scope.open("element", where)
  for _, param in ipairs(node.params) do
    if inner.names[param.name] then self.report(param, ("`%s` names two parameters"):format(param.name)) end
    inner.names[param.name] = { name = param.name, element = true, block = true, reads = 0, writes = {}, pos = param.pos }
    param.slot = inner.names[param.name]
  end
  self:expression(node.body, inner)
end

local function plural(n, word)
  return ("%d %s%s"):format(n, word, n == 1 and "" or "s")
end

function Checker:count_arguments(node, signature, name)
  local given = #node.args + (node.where and 1 or 0)
  local least, most = signature.min, signature.max
  if given >= least and given <= most then return end
  local expected = least == most and plural(least, "argument")
    or most == math.huge and ("at least %s"):format(plural(least, "argument"))
    or ("%d to %d arguments"):format(least, most)
  self.report(node, ("%s takes %s, and is given %d"):format(name, expected, given))
end

-- A hint, for where it is shown, of the function or method that was meant.
local function nearest_function(name, functions)
  return function() return nearest.hint(name, keys.sorted(functions)) end
end

function expression.Call(self, node, where)
  local signature = self.functions[node.name]
  if not signature then
    self.report(node, ("there is no function `%s`"):format(node.name), nearest_function(node.name, self.functions))
    for _, argument in ipairs(node.args) do
      if argument.tag ~= "Lambda" then self:expression(argument, where) end
    end
    return
  end
  node.signature = signature
  self:count_arguments(node, signature, node.name)
  if node.order and not signature.sortable then
    self.report(node, ("ASC and DESC order the key of SORT, not %s"):format(node.name))
  end
  element.prepare(self, node, where)
  for position, argument in ipairs(node.args) do
    if argument.tag == "Lambda" and position == signature.element then
      argument.reduce = signature.reduce
      self:lambda(argument, where)
    else
      self:expression(argument, where)
    end
  end
end

function Checker:method(node, where)
  local method = self.methods[node.name]
  if not method then
    self.report(node, ("there is no method `.%s()`"):format(node.name), nearest_function(node.name, self.methods))
  else
    node.method = method
    self:count_arguments(node, method, "." .. node.name .. "()")
  end
  for _, argument in ipairs(node.args) do self:expression(argument, where) end
end

-- A chain may have thousands of links: they are gone through in a loop.
function Checker:chain(node, where)
  local start, links = walk.links(node)
  self:expression(start, where)
  local own = start.slot -- what a method gives is no part of the name any more
  for _, link in ipairs(links) do
    if link.tag == "Index" then
      self:expression(link.index, where)
    elseif link.tag == "Method" then
      self:method(link, where)
      if own and M.mutating[link.name] then own.mutated = true end
      own = nil
    end
  end
end

--- The methods that change what they are called on.
M.mutating = { push = true, pop = true, shift = true, unshift = true }

-- Statements ----------------------------------------------------------------

local statement = {}

function Checker:block(block, context)
  for _, node in ipairs(block) do
    self.line = (self.source:position(node.pos))
    local handler = statement[node.tag]
    if handler then
      handler(self, node, context)
    else
      self:header(node)
      for _, inner in ipairs(walk.blocks(node)) do self:block(inner, context:within()) end
    end
  end
end

function Checker:header(node, where)
  walk.header(node, function(e) self:expression(e, where or node.scope) end)
end

-- Assigns to a path: `how` is the keyword, for the message.
function Checker:assign(node, path, how)
  local root = walk.root(path)
  local slot = scope.find(node.scope, root.name)
  if not slot then
    self.report(root, ("%s of `%s`, which is introduced nowhere"):format(how, root.name), function()
      return nearest.hint(root.name, known_names(node.scope)) or ("introduce it first: STATE %s = …"):format(root.name)
    end)
    return
  end
  if slot.name == "FOREACH_INDEX" then self.report(root, "FOREACH_INDEX cannot be assigned") end
  root.slot = slot
  if path == root then
    slot.writes[#slot.writes + 1] = { pos = path.pos, node = node }
  else
    slot.reads = slot.reads + 1
    slot.first_read = slot.first_read or root
    slot.mutated = true
    self:path_keys(path, node.scope)
  end
end

function Checker:path_keys(path, where)
  while path.tag ~= "Name" do
    if path.tag == "Index" then self:expression(path.index, where) end
    path = path.object
  end
end

function statement.State(self, node)
  self:expression(node.value, node.scope)
  self:assign(node, node.target, "STATE")
end

function statement.Update(self, node)
  self:expression(node.value, node.scope)
  self:assign(node, node.target, "UPDATE")
end

function statement.Append(self, node)
  self:expression(node.value, node.scope)
  self:assign(node, node.target, "APPEND")
  local root = walk.root(node.target)
  if root.slot then root.slot.mutated = true end
end

function statement.Input(self, node, context)
  if context.nested then
    self.report(node, "INPUT stands at the top level of a program, not inside a block")
  end
  if self.inputs[node.name.name] then
    self.report(node.name, ("INPUT `%s` is declared twice"):format(node.name.name))
  end
  self.inputs[node.name.name] = true
  self.input_list[#self.input_list + 1] = { name = node.name.name, required = node.default == nil, pos = node.name.pos }
  if node.default then self:expression(node.default, node.scope) end
  node.name.slot = scope.find(node.scope, node.name.name)
  node.name.slot.writes[1] = { pos = node.name.pos, node = node }
end

-- Binds the result of an EVENT or an AWAIT to a name.
local function bind(node, name, where)
  if not name then return end
  name.slot = scope.find(where, name.name)
  local writes = name.slot.writes
  writes[#writes + 1] = { pos = name.pos, node = node, result = true }
end

-- The fields of an object that the source shows.
function Checker:fields(name, object)
  for _, entry in ipairs(object and object.tag == "Object" and object.entries or {}) do
    local message, hint
    if type(entry.key) == "string" then message, hint = built_in.unknown_field(name, entry.key) end
    if message then self.report({ pos = entry.pos, stop = entry.key_stop }, message, hint) end
  end
end

function statement.Event(self, node)
  if built_in.events[node.name] then self:fields(node.name, node.data) end
  if node.data then self:expression(node.data, node.scope) end
  bind(node, node.as, node.scope)
end

-- After FROM, SEND and WITH a name that is introduced nowhere is an agent's.
local function bare_agent(node, where)
  if node.tag == "Name" and not scope.find(where, node.name) then
    node.tag, node.value = "String", node.name
  end
end

local function bare_agents(node, where)
  bare_agent(node, where)
  if node.tag == "Array" then
    for _, item in ipairs(node.items) do bare_agent(item, where) end
  end
end

local function option_agents(options, fields, where)
  for _, entry in ipairs(options and options.tag == "Object" and options.entries or {}) do
    if fields[entry.key] then bare_agents(entry.value, where) end
  end
end

function statement.Await(self, node, context)
  if node.from then bare_agents(node.from.value, node.scope) end
  option_agents(node.options, { from = true }, node.scope)
  self:fields("AWAIT", node.options)
  self:header(node)
  bind(node, node.as, node.scope)
  if node.body then
    bind(node, node.var, node.inner)
    self:block(node.body, context:within())
  else
    bind(node, node.var, node.scope)
  end
  if node.on_timeout then self:block(node.on_timeout, context:within()) end
end

function statement.Send(self, node)
  if node.to then bare_agent(node.to, node.scope) end
  option_agents(node.options, { to = true }, node.scope)
  self:header(node)
end

function statement.Share(self, node)
  bare_agents(node.with, node.scope)
  self:header(node)
end

function statement.Persist(self, node)
  self:fields("PERSIST", node.data)
  self:header(node)
end

function statement.Foreach(self, node, context)
  self:expression(node.list, node.scope)
  for _, name in ipairs { node.key or false, node.var } do
    if name then
      name.slot = node.inner.names[name.name]
      name.slot.writes[1] = { pos = name.pos, node = node }
    end
  end
  node.index = node.inner.names.FOREACH_INDEX
  node.index.writes[1] = { pos = node.pos, node = node }
  self:block(node.body, context:within(node.unit and "iteration" or "loop"))
end

function statement.While(self, node, context)
  self:header(node)
  self:block(node.body, context:within("loop"))
end

function statement.Parallel(self, node, context)
  if node.limit then self:expression(node.limit, node.scope) end
  for _, child in ipairs(node.body) do
    self:block({ child }, context:within("parallel"))
  end
end

function statement.Branch(self, node, context)
  if context.kind ~= "parallel" then
    self.report(node, "BRANCH stands directly inside a PARALLEL block")
  end
  if node.label then self:expression(node.label, node.scope) end
  self:block(node.body, context:within("branch"))
end

function statement.Try(self, node, context)
  local inner = context:within()
  self:block(node.body, inner)
  if node.catch then
    local name = node.catch.var
    if name then
      name.slot = node.catch.inner.names[name.name]
      name.slot.writes[1] = { pos = name.pos, node = node }
    end
    self:block(node.catch.body, inner)
  end
  if node.finally then self:block(node.finally, inner) end
end

local function jump(keyword)
  return function(self, node, context)
    if context.loop then return end
    if context.parallel then
      self.report(node, ("%s cannot leave a parallel loop: its iterations go side by side"):format(keyword),
        "use IF to pass over the rest of an iteration")
    else
      self.report(node, ("%s stands inside a WHILE or FOREACH"):format(keyword))
    end
  end
end

statement.Break = jump "BREAK"
statement.Continue = jump "CONTINUE"

-- Where a statement stands: in which loop, and how deep.
local Context = {}
Context.__index = Context

function Context:within(kind)
  local inner = { nested = true, kind = kind, loop = self.loop, parallel = self.parallel }
  if kind == "loop" then inner.loop = true end
  if kind == "parallel" then inner.loop, inner.parallel = false, true end
  if kind == "iteration" or kind == "branch" then inner.loop = false end
  return setmetatable(inner, Context)
end

--- Checks a program. The tree is annotated; what is wrong goes to `report`, what
--- looks wrong to `warn`.
---@param program orchlua.Node
---@param options { source: table, report: function, warn: function, functions: table, methods: table }
---@return { units: orchlua.Unit[], slots: orchlua.Slot[], inputs: table[] }
function M.check(program, options)
  local built = scope.build(program)
  local self = setmetatable({
    source = options.source, report = options.report, warn = options.warn,
    functions = options.functions, methods = options.methods,
    inputs = {}, input_list = {}, line = 1,
  }, Checker)
  self:block(program.body, setmetatable({ nested = false, loop = false, parallel = false }, Context))
  return { units = built.units, slots = built.slots, inputs = self.input_list, scope = built.scope }
end

return M
