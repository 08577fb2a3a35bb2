-- Writes one Lua function of a unit: keeps the source's lines, hands out
-- temporaries and labels, and knows which names are held in locals. A function
-- is laid out flat: names are declared at its top, every statement keeps its
-- temporaries in a `do … end` of its own, and all jumps are gotos to labels of
-- the outermost block, so that a branch can be entered again at any of them.

local M = {}

-- Lua allows 200 locals a function; the rest is left to temporaries.
local HOISTED_AT_MOST = 90
local TEMPORARIES_AT_MOST = 70
-- And 32767 in all, those of closed blocks included.
local LOCALS_AT_MOST = 30000

---@class orchlua.Writer
---@field program table      what the whole program shares: `sites`, `labels`, `helpers`
---@field unit orchlua.Unit
local Writer = {}
Writer.__index = Writer
M.Writer = Writer

--- A writer for one function of a unit.
function M.new(program, unit)
  return setmetatable({
    program = program, unit = unit, parts = {}, line = 1,
    hoisted = {}, hoisted_list = {}, taken = {}, helpers = {}, levels = 0,
    resumes = {}, groups = { {} }, live = 0, count = 0, closures = 0, assigned = {},
  }, Writer)
end

--- Appends code on the current line.
function Writer:put(code)
  self.parts[#self.parts + 1] = code
  self.parts[#self.parts + 1] = " "
end

--- Moves on to the line of a position of the source.
function Writer:move(pos)
  local line = (self.program.source:position(pos))
  line = line - (self.program.source.first_line or 1) + 1
  if line > self.line then
    self.parts[#self.parts + 1] = ("\n"):rep(line - self.line)
    self.line = line
  end
end

--- A Lua literal of a string, on one line whatever the string holds.
function Writer.quote(s)
  local escaped = s:gsub('[%c"\\\128-\255]', function(c) return ("\\%03d"):format(c:byte()) end)
  return '"' .. escaped .. '"'
end

--- Declares a temporary that holds `code`; gives its name.
function Writer:let(code)
  self.count = self.count + 1
  self.live = self.live + 1
  if self.live > TEMPORARIES_AT_MOST or self.count > LOCALS_AT_MOST then
    local name = ("T[%d]"):format(self.count)
    self:put(name .. " = " .. code)
    return name
  end
  local name = "t" .. self.count
  self:put(("local %s = %s"):format(name, code))
  return name
end

--- The code that a temporary declared just now stands for, when it is read only
--- here: its declaration goes. Any other code stays as it is.
function Writer:unlet(code)
  local head = ("local %s = "):format(code)
  local last = self.parts[#self.parts - 1] or ""
  if last:sub(1, #head) ~= head then return code end
  self.parts[#self.parts], self.parts[#self.parts - 1] = nil, nil
  return last:sub(#head + 1)
end

--- Opens a block for temporaries, and closes it.
function Writer:open(code)
  self:put(code or "do")
  local live = self.live
  return function(close)
    self.live = live
    self:put(close or "end")
  end
end

--- A new label, as the name that `goto` takes.
function Writer:label()
  self.program.labels = self.program.labels + 1
  return "L" .. self.program.labels
end

--- Puts a label here. What was known of the position on the way is known no more.
function Writer:place(label)
  self.marked = nil
  -- Lua's parser goes one level deeper for each label right behind another.
  local before = self.parts[#self.parts - 1]
  if before and before:find "^::" then self:put "do end" end
  self:put(("::%s::"):format(label))
end

function Writer:jump(label)
  self:put(("goto %s"):format(label))
end

--- The name of one of the helpers that the runtime hands to compiled code.
function Writer:helper(name)
  local known = self.helpers[name]
  if known then return known end
  self.helpers[name] = "h_" .. name:gsub("%W", "_")
  self.program.helper_names[name] = true
  return self.helpers[name]
end

--- Says in `at` which site runs now, so that an error knows its place. Code that
--- can raise is put right behind this.
---@return integer site
function Writer:mark(node, fields)
  local site = self:site(node, fields)
  if self.marked ~= site then
    self:put(("at = %d"):format(site))
    self.marked = site
  end
  return site
end

--- Like `mark`, where only a branch can raise when the operands are `safe`: gives
--- what that branch starts with.
---@return string
function Writer:mark_branch(node, safe)
  if not safe then
    self:mark(node)
    return ""
  end
  self.marked = nil
  return ("at = %d "):format(self:site(node))
end

--- The number of a new site of the program at a node.
function Writer:site(node, fields)
  local sites = self.program.sites
  if not fields and node.site then return node.site end
  local site = fields or {}
  site.pos, site.stop, site.node, site.unit = node.pos, node.stop, node, self.unit.id
  site.handler, site.cancel = self.try.handler, self.try.cancel
  site.statement = self.statement
  site.finishing = self.try.finishing
  sites[#sites + 1] = site
  if not fields then node.site = #sites end
  return #sites
end

-- Names ----------------------------------------------------------------------

function Writer:level(slot)
  local hops, unit = 0, self.unit
  while unit ~= slot.unit do
    unit, hops = unit.parent, hops + 1
  end
  self.levels = math.max(self.levels, hops)
  return hops
end

function Writer:frame(slot)
  local hops = self:level(slot)
  return hops == 0 and "f" or "u" .. hops
end

function Writer:home(slot)
  return ("%s[%s]"):format(self:frame(slot), self.quote(slot.key))
end

function Writer:hoist(slot)
  if #self.hoisted_list >= HOISTED_AT_MOST then return nil end
  local name = "n_" .. slot.name
  local taken = self.taken[name] or 0
  self.taken[name] = taken + 1
  if taken > 0 then name = name .. "_" .. taken end
  local hoisted = { slot = slot, name = name, hops = self:level(slot), key = slot.key }
  self.hoisted[slot] = hoisted
  self.hoisted_list[#self.hoisted_list + 1] = hoisted
  return hoisted
end

--- The Lua expression that reads a slot (and may be assigned).
function Writer:read(slot)
  if slot.element then return slot.lua end
  local hoisted = self.hoisted[slot] or self:hoist(slot)
  return hoisted and hoisted.name or self:home(slot)
end

--- Assigns `code` to a slot.
function Writer:assign(slot, code)
  local name = self:read(slot)
  local hoisted = self.hoisted[slot]
  if hoisted then self.groups[#self.groups][hoisted] = true end
  self:put(("%s = %s"):format(name, code))
end

--- From here to the end of the block every way has assigned the slot.
function Writer:is_assigned(slot)
  self.assigned[slot] = true
end

--- A slot of the frame that no name of the program has, for loops and TRY. The
--- statement keeps it too, for an edited program that takes over.
function Writer:hidden(name)
  self.program.hidden = self.program.hidden + 1
  local slot = { name = name, key = ("%s#%d"):format(name, -self.program.hidden), unit = self.unit }
  local hidden = self.statement.hidden or {}
  self.statement.hidden = hidden
  hidden[#hidden + 1] = slot
  return slot
end

-- Waiting ----------------------------------------------------------------------

--- Leaves the function for the scheduler, to be entered again right behind.
---@param code string   what is returned: an operation and its arguments
function Writer:wait(code)
  local label = self:resume_label()
  self:put(("f[1] = %d"):format(label.pc))
  self:leave(code)
  self:place(label.name)
end

--- Returns from the function after the names went back to their frames.
function Writer:leave(code)
  self:put(("\1%d\1"):format(#self.groups))
  self:put(("do return %s end"):format(code))
end

--- A label that the function can be entered at.
function Writer:resume_label()
  local pc = self.program.pcs + 1
  self.program.pcs = pc
  local label = { pc = pc, name = "R" .. pc }
  self.resumes[#self.resumes + 1] = label
  return label
end

--- Puts the label by which the failed statement is entered anew, when it is this one.
---@param turn? boolean   the place is a loop's next turn, not its start
function Writer:entry_at(node, turn)
  local entry = self.program.entry
  if not entry or entry.pos ~= node.pos or entry.turn ~= (turn or false) then return end
  self.entry = self:label()
  self:place(self.entry)
end

--- What is assigned from here on is written back only by later waits: called
--- behind a wait that every way through the function passes.
function Writer:settled()
  self.groups[#self.groups + 1] = {}
end

-- Assembly ---------------------------------------------------------------------

local function spill(writer, group)
  local code = {}
  for _, hoisted in ipairs(writer.hoisted_list) do
    if writer.groups[group][hoisted] then
      code[#code + 1] = ("%s = %s"):format(writer:home(hoisted.slot), hoisted.name)
    end
  end
  return table.concat(code, " ")
end

local function dispatch(resumes, first, last)
  if first > last then return "" end
  if first == last then return ("goto %s"):format(resumes[first].name) end
  local middle = (first + last) // 2
  return ("if pc <= %d then %s else %s end"):format(resumes[middle].pc,
    dispatch(resumes, first, middle), dispatch(resumes, middle + 1, last))
end

local function levels(writer)
  local code, from = {}, "f"
  for i = 1, writer.levels do
    code[i] = ("local u%d = %s[2]"):format(i, from)
    from = "u" .. i
  end
  return table.concat(code, " ")
end

local function names(writer)
  local locals, values = {}, {}
  for i, hoisted in ipairs(writer.hoisted_list) do
    locals[i], values[i] = hoisted.name, writer:home(hoisted.slot)
  end
  if #locals == 0 then return "" end
  return ("local %s = %s"):format(table.concat(locals, ", "), table.concat(values, ", "))
end

--- Where the function's locals belong, for an error that leaves it: by a local's
--- name the frame (how many units out) and the key there.
---@return table<string, { hops: integer, key: string }>
function Writer:locals()
  local found = {}
  for _, hoisted in ipairs(self.hoisted_list) do
    found[hoisted.name] = { hops = hoisted.hops, key = hoisted.key }
  end
  return found
end

--- The text of the function: `return function(f, v, run) … end`, given its
--- helpers as the chunk's argument.
---@return string
function Writer:text()
  local declared = {}
  for name in pairs(self.helpers) do declared[#declared + 1] = name end
  table.sort(declared)
  local head = { "local H = ..." }
  for _, name in ipairs(declared) do
    head[#head + 1] = ("local %s = H[%s]"):format(self.helpers[name], self.quote(name))
  end
  head[#head + 1] = "return function(f, v, run)"
  local body = table.concat(self.parts):gsub("\1(%d+)\1", function(group) return spill(self, tonumber(group)) end)
  head[#head + 1] = levels(self)
  head[#head + 1] = names(self)
  head[#head + 1] = "local at, n, T = 0, run.work.slice, nil"
  if body:find("T[", 1, true) then head[#head + 1] = "T = {}" end
  if #self.resumes > 0 then
    head[#head + 1] = ("do local pc = f[1] if pc >= %d and pc <= %d then %s end end"):format(
      self.resumes[1].pc, self.resumes[#self.resumes].pc, dispatch(self.resumes, 1, #self.resumes))
  end
  if self.entry then head[#head + 1] = ("if f[1] == -1 then goto %s end"):format(self.entry) end
  return table.concat(head, " ") .. " " .. body .. " end"
end

return M
