-- Which names a program introduces, where, and which strand of it owns them:
-- the first half of `check`. It divides the program into units (the main one,
-- and one for each parallel child), makes the scopes, and gives every statement
-- that opens one its `scope`. `check` then resolves each use against them.

local walk = require "orchlua.dsl.walk"

local M = {}

---@class orchlua.Unit     code that runs as one branch: the main program or a parallel child
---@field id integer
---@field kind "main"|"branch"|"statement"|"iteration"
---@field parent? orchlua.Unit
---@field node orchlua.Node
---@field body orchlua.Node[]

---@class orchlua.Slot     where a name's value is kept
---@field name string
---@field unit? orchlua.Unit    the unit whose frame holds it; none for an element of a collection function
---@field key string            its key in the frame
---@field program boolean       introduced for the whole program
---@field block boolean         lives in a block (FOREACH, AWAIT, CATCH)
---@field pos integer           where it is introduced first
---@field input? boolean
---@field reads integer
---@field writes { pos: integer, node: orchlua.Node }[]

---@class orchlua.Scope
---@field parent? orchlua.Scope
---@field unit orchlua.Unit
---@field names table<string, orchlua.Slot>
---@field kind "program"|"iteration"|"block"|"element"

local Builder = {}
Builder.__index = Builder

--- A scope inside `parent`.
function M.open(kind, parent, unit)
  return { kind = kind, parent = parent, unit = unit or parent.unit, names = {} }
end

--- Finds a name from a scope outward; `until_iteration` stops at the border of
--- the innermost parallel iteration (that scope included).
---@return orchlua.Slot?
function M.find(scope, name, until_iteration)
  while scope do
    if scope.names[name] then return scope.names[name] end
    if until_iteration and scope.kind == "iteration" then return nil end
    scope = scope.parent
  end
end

function Builder:slot(scope, name, pos, fields)
  self.count = self.count + 1
  local slot = fields or {}
  slot.name, slot.unit, slot.pos = name, scope.unit, pos
  slot.key = slot.program and name or name .. "#" .. self.count
  slot.reads, slot.writes = 0, {}
  scope.names[name] = slot
  self.slots[#self.slots + 1] = slot
  return slot
end

local function owner(scope)
  while scope.kind == "block" do scope = scope.parent end
  return scope
end

function Builder:introduce(scope, name, pos)
  local home = owner(scope)
  local slot = home.names[name]
  if slot then
    slot.pos = math.min(slot.pos, pos)
  else
    slot = self:slot(home, name, pos, { program = home.kind == "program" })
  end
  return slot
end

-- `AS` binds the iteration's own name, or the block's, or else the program's.
function Builder:bind_as(scope, name)
  if name and not (M.find(scope, name.name, true) or {}).block then
    self:introduce(scope, name.name, name.pos)
  end
end

local handlers = {}

function Builder:block(block, scope)
  for _, statement in ipairs(block) do
    statement.scope = scope
    local handler = handlers[statement.tag]
    if handler then
      handler(self, statement, scope)
    else
      for _, inner in ipairs(walk.blocks(statement)) do self:block(inner, scope) end
    end
  end
end

function handlers.Input(self, statement, scope)
  self:introduce(scope, statement.name.name, statement.name.pos).input = true
end

function handlers.State(self, statement, scope)
  local target = statement.target
  if target.tag ~= "Name" then return end
  local slot = M.find(scope, target.name)
  if slot and slot.block then return end
  self.states[#self.states + 1] = { scope = scope, name = target }
end

function handlers.Event(self, statement, scope)
  self:bind_as(scope, statement.as)
end

function handlers.Await(self, statement, scope)
  self:bind_as(scope, statement.as)
  if statement.body then
    local inner = M.open("block", scope)
    statement.inner = inner
    if statement.var then self:slot(inner, statement.var.name, statement.var.pos, { block = true }) end
    self:block(statement.body, inner)
  else
    self:bind_as(scope, statement.var)
  end
  if statement.on_timeout then self:block(statement.on_timeout, scope) end
end

function Builder:loop_names(statement, inner)
  if statement.key then self:slot(inner, statement.key.name, statement.key.pos, { block = true }) end
  self:slot(inner, statement.var.name, statement.var.pos, { block = true })
  self:slot(inner, "FOREACH_INDEX", statement.pos, { block = true, silent = true })
end

function handlers.Foreach(self, statement, scope)
  local inner = M.open("block", scope)
  statement.inner = inner
  self:loop_names(statement, inner)
  self:block(statement.body, inner)
end

function handlers.Try(self, statement, scope)
  self:block(statement.body, scope)
  local catch = statement.catch
  if catch then
    local inner = M.open("block", scope)
    catch.inner = inner
    if catch.var then self:slot(inner, catch.var.name, catch.var.pos, { block = true, silent = true }) end
    self:block(catch.body, inner)
  end
  if statement.finally then self:block(statement.finally, scope) end
end

function Builder:unit(kind, parent, node, body)
  local unit = { id = #self.units + 1, kind = kind, parent = parent, node = node, body = body }
  self.units[unit.id] = unit
  return unit
end

-- An iteration's scope holds what it introduces itself; the scope inside that
-- holds its loop names, which `STATE` may assign but never introduces.
function Builder:iteration(statement, scope)
  local unit = self:unit("iteration", scope.unit, statement, statement.body)
  local own = M.open("iteration", scope, unit)
  statement.scope = scope
  statement.inner = M.open("block", own)
  self.iterations[#self.iterations + 1] = own
  self:loop_names(statement, statement.inner)
  self:block(statement.body, statement.inner)
  return unit
end

function handlers.Parallel(self, statement, scope)
  statement.units = {}
  for _, child in ipairs(statement.body) do
    if child.tag == "Foreach" then
      child.unit = self:iteration(child, scope)
    elseif child.tag == "Branch" then
      child.scope = scope
      child.unit = self:unit("branch", scope.unit, child, child.body)
      self:block(child.body, M.open("block", scope, child.unit))
    elseif child.tag == "Heading" then
      child.scope = scope
    else
      child.unit = self:unit("statement", scope.unit, child, { child })
      self:block({ child }, M.open("block", scope, child.unit))
    end
    statement.units[#statement.units + 1] = child.unit
  end
end

-- A `STATE` inside an iteration introduces a name of its own only when nothing
-- outside does, so the outermost ones are settled first.
function Builder:settle_states()
  local function depth(scope)
    local count = 0
    while scope do
      if scope.kind == "iteration" then count = count + 1 end
      scope = scope.parent
    end
    return count
  end
  for _, state in ipairs(self.states) do state.depth = depth(state.scope) end
  table.sort(self.states, function(a, b)
    if a.depth ~= b.depth then return a.depth < b.depth end
    return a.name.pos < b.name.pos
  end)
  for _, state in ipairs(self.states) do
    local slot = M.find(state.scope, state.name.name)
    if slot then
      slot.pos = math.min(slot.pos, state.name.pos)
    else
      self:introduce(state.scope, state.name.name, state.name.pos)
    end
  end
end

--- Builds the units and the scopes of a program.
---@param program orchlua.Node
---@return { units: orchlua.Unit[], slots: orchlua.Slot[], scope: orchlua.Scope }
function M.build(program)
  local self = setmetatable({ units = {}, slots = {}, states = {}, iterations = {}, count = 0 }, Builder)
  local main = self:unit("main", nil, program, program.body)
  local scope = { kind = "program", unit = main, names = {} }
  self:block(program.body, scope)
  self:settle_states()
  return { units = self.units, slots = self.slots, scope = scope }
end

return M
