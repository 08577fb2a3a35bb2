-- A compiled program: its units, sites and names, and what it may ask of the
-- world. What the passes give, and the runtime runs.

local walk = require "orchlua.dsl.walk"

local M = {}

---@class orchlua.Program
---@field name string
---@field title? string
---@field source table
---@field units table[]      by id; 1 is the main one
---@field sites table[]      every place that can raise or wait: `{pos, stop, node, unit, handler, cancel, …}`
---@field inputs { name: string, required: boolean }[]
---@field names string[]     the names of the whole program, in the order they are introduced
---@field asks boolean       whether it can ask an agent by itself
---@field files string[]     the files of sub-runs that its text names
---@field takes { any: boolean, names: table<string, boolean> }  whose replies some AWAIT can take
local Program = {}
Program.__index = Program

local function program_names(checked)
  local slots = {}
  for _, slot in ipairs(checked.slots) do
    if slot.program then slots[#slots + 1] = slot end
  end
  table.sort(slots, function(a, b) return a.pos < b.pos end)
  local names = {}
  for i, slot in ipairs(slots) do names[i] = slot.name end
  return names
end

-- The file of a sub-run, where the text names it.
local function literal_file(event)
  for _, entry in ipairs(event.name == "orchestration:run" and event.data and event.data.entries or {}) do
    if entry.key == "file" and entry.value.tag == "String" then return entry.value.value end
  end
end

local asking = { Send = true, Share = true }

local function summarize(self, tree)
  walk.statements(tree.body, function(statement)
    if asking[statement.tag] then
      self.asks = true
    elseif statement.tag == "Event" then
      self.events[#self.events + 1] = statement
      self.files[#self.files + 1] = literal_file(statement)
      local is_pattern = statement.name:find "^pattern:" ~= nil
      if statement.name == "completion:async" or is_pattern then self.asks = true end
      -- A pattern may await any signal.
      if is_pattern then self.takes.signals = true end
    elseif statement.tag == "Await" then
      local from = statement.from and statement.from.value
      if from and from.tag == "String" and statement.from.mode == "one" then
        self.takes.names[from.value] = true
      else
        self.takes.any = true
      end
    end
  end)
end

--- Puts the passes' results together.
function M.new(source, tree, checked, emitted)
  local self = setmetatable({
    name = source.name, title = tree.title, source = source, tree = tree,
    units = emitted.units, sites = emitted.sites, inputs = checked.inputs,
    names = program_names(checked), asks = false, events = {}, files = {}, takes = { any = false, signals = false, names = {} },
  }, Program)
  summarize(self, tree)
  return self
end

--- Loads the Lua text of every unit.
---@return string? message   when Lua refuses it: the program is too large or too deep for one function
function Program:load()
  for _, unit in ipairs(self.units) do
    for _, part in ipairs(unit.parts) do
      local chunk, message = load(part.text, "=" .. self.name, "t", {})
      if not chunk then return "this program is too complex to compile: " .. message end
      part.chunk = chunk
    end
  end
end

-- The pc that enters a unit at the statement it was compiled to be entered at.
local ENTRY = -1

-- A unit in several parts: each hands on to the one its frame points at.
local function chain(parts)
  return function(frame, v, run)
    while true do
      local pc, part = frame[1], parts[1]
      for i = 2, #parts do
        if pc >= parts[i].first or pc == ENTRY and parts[i].entry then part = parts[i] end
      end
      local operation, site, a, b, c = part.fn(frame, v, run)
      if operation ~= "jump" then return operation, site, a, b, c end
    end
  end
end

--- Makes the units' functions, given the helpers that compiled code calls.
---@param helpers table
function Program:link(helpers)
  if self.linked then return end
  self.functions, self.helpers, self.entries = {}, helpers, {}
  for _, unit in ipairs(self.units) do
    for _, part in ipairs(unit.parts) do
      part.fn = part.chunk(helpers)
      self.functions[part.fn] = part
    end
    unit.fn = #unit.parts == 1 and unit.parts[1].fn or chain(unit.parts)
  end
  self.linked = true
end

--- Where a unit is entered anew after a failure at a site: at its statement, or at the
--- next turn of its loop.
---@return { pos: integer, turn: boolean }
function Program:entry_of(site)
  local place = self.sites[site]
  return { pos = place.statement.pos, turn = place.turn or false }
end

--- A function that enters a unit anew at a statement, with the frame as it is: `(frame,
--- run)`, to be called in place of the unit's own, once.
---@param unit table
---@param entry { pos: integer, turn: boolean }
---@return fun(frame: table, run: table): ...
function Program:enter(unit, entry)
  local key = entry.turn and -entry.pos or entry.pos
  local variant = self.entries[key]
  if not variant then
    variant = self.with_entry(entry)
    variant:link(self.helpers)
    for fn, part in pairs(variant.functions) do self.functions[fn] = part end
    self.entries[key] = variant
  end
  local fn = variant.units[unit.id].fn
  return function(frame, run)
    frame[1] = ENTRY
    return fn(frame, nil, run)
  end
end

--- The place of a site: line and column of the file.
function Program:position(site)
  return self.source:position(self.sites[site].pos)
end

--- The line of a site.
function Program:line(site)
  local place = self.sites[site]
  place.line = place.line or (self.source:position(place.pos))
  return place.line
end

--- The generated Lua of every function, for reading.
---@return string
function Program:lua()
  local texts = {}
  for _, unit in ipairs(self.units) do
    for _, part in ipairs(unit.parts) do texts[#texts + 1] = part.text end
  end
  return table.concat(texts, "\n\n")
end

return M
