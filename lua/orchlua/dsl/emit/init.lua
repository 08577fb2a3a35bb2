-- The last pass: from the checked tree to Lua. Each unit becomes one function
-- `f(frame, v, run)`, or several in a row when it waits very often, since Lua
-- loads a function in time that grows with the square of its labels.
--
-- A frame is plain data: `[1]` is where the branch stands (a pc; 0 at the
-- start), `[2]` the frame of the branch around it, every other key a name.

local control = require "orchlua.dsl.emit.control"
local kinds = require "orchlua.dsl.emit.kinds"
local writer = require "orchlua.dsl.emit.writer"
require "orchlua.dsl.emit.statement"
local walk = require "orchlua.dsl.walk"

local M = {}

local WAITS_PER_FUNCTION = 150

local waits = { Event = true, Await = true, Wait = true, Parallel = true, Try = true }

local function count_waits(node)
  local count = 0
  walk.statements({ node }, function(inner)
    if waits[inner.tag] then count = count + 1 end
    return inner.tag ~= "Parallel"
  end)
  return count
end

-- Cuts a unit's body, between its own statements, into runs of bounded length.
local function parts(body)
  local list, current, count = {}, {}, 0
  for _, node in ipairs(body) do
    local more = count_waits(node)
    if count > 0 and count + more > WAITS_PER_FUNCTION then
      list[#list + 1], current, count = current, {}, 0
    end
    current[#current + 1] = node
    count = count + more
  end
  list[#list + 1] = current
  return list
end

local function write_part(program, unit, block, entry, last)
  local self = writer.new(program, unit)
  self.try = control.start()
  if entry then
    self.resumes[1] = entry
    self:place(entry.name)
  end
  self:block(block)
  local next_entry
  if last then
    self:leave '"done"'
  else
    program.pcs = program.pcs + 1
    next_entry = { pc = program.pcs, name = "R" .. program.pcs }
    self:put(("f[1] = %d"):format(next_entry.pc))
    self:leave '"jump"'
  end
  return { text = self:text(), first = self.resumes[1] and self.resumes[1].pc, locals = self:locals(), entry = self.entry ~= nil }, next_entry
end

local function write_unit(program, unit)
  local blocks, written, entry = parts(unit.body), {}, nil
  for i, block in ipairs(blocks) do
    written[i], entry = write_part(program, unit, block, entry, i == #blocks)
  end
  return written
end

-- What the runtime needs to know of a unit: the keys of its own names, which
-- start as null, and of the names that an iteration is started with.
local function describe(unit, slots, written)
  local described = { id = unit.id, kind = unit.kind, parts = written, names = {} }
  for _, slot in ipairs(slots) do
    if slot.unit == unit then described.names[#described.names + 1] = slot.key end
  end
  if unit.kind == "iteration" then
    local node = unit.node
    described.var = node.var.slot.key
    described.key = node.key and node.key.slot.key
    described.index = node.index.reads > 0 and node.index.key or nil
  end
  return described
end

--- Compiles a checked program.
---@param source table
---@param checked { units: orchlua.Unit[], slots: orchlua.Slot[] }
---@param entry? { pos: integer, turn: boolean }   a statement that can be entered anew, with the pc -1; or a loop's next turn
---@return { units: table[], sites: table[], helpers: string[] }
---@param edited? boolean   the program may take over what another one left in its names: nothing is inferred of them
function M.emit(source, checked, entry, edited)
  if not edited then kinds.infer(checked.slots) end
  local program = { source = source, entry = entry, sites = {}, labels = 0, pcs = 0, hidden = 0, helper_names = {} }
  local units = {}
  for i, unit in ipairs(checked.units) do
    units[i] = describe(unit, checked.slots, write_unit(program, unit))
  end
  return { units = units, sites = program.sites }
end

return M
