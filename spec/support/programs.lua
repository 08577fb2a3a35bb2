-- Random programs of the language, from a seed: they always end, and mix what is likely to
-- go wrong together, such as errors in TRY, loops around waits, arrays with two names.
-- An `independent` program does the same in whatever order its branches go on.

local expressions = require "spec.support.programs.expressions"

local M = {}

---@class spec.Programs: spec.Expressions
local Programs = setmetatable({}, { __index = expressions.Expressions })
Programs.__index = Programs

-- Chance: a small generator of its own, so that a seed is the same program everywhere.
function Programs:next()
  local x = self.state
  x = x ~ (x << 13)
  x = x ~ (x >> 7)
  x = x ~ (x << 17)
  self.state = x
  return x
end

function Programs:int(a, b) return a + (self:next() >> 11) % (b - a + 1) end
function Programs:chance(p) return (self:next() >> 11) / 2.0 ^ 53 < p end
function Programs:pick(list) return list[self:int(1, #list)] end

-- Writing ------------------------------------------------------------------------------------------

function Programs:line(text, ...)
  table.insert(self.lines, ("  "):rep(self.level) .. (select("#", ...) > 0 and text:format(...) or text))
end

--- Writes a header and the block under it, with changes to where it stands.
function Programs:nested(header, where, names, write)
  self:line(header)
  local outer = self.where
  self.where = setmetatable(where or {}, { __index = outer })
  self.where.depth = outer.depth + 1
  self.level = self.level + 1
  self:within(names or {}, function()
    if write then write() else self:block(self:int(1, 3)) end
  end)
  self.level, self.where = self.level - 1, outer
end

function Programs:deep(kind) return self:expression(kind, self:int(1, 3)) end

-- Names that may be assigned where we are, of a kind.
function Programs:assignable(kind)
  local found = {}
  for _, name in ipairs(self.scope) do
    if name.assign and (name.kind == kind or kind == nil) then found[#found + 1] = name end
  end
  return #found > 0 and self:pick(found) or nil
end

-- Statements -----------------------------------------------------------------------------------------

local statement, weights = {}, {}

local function define(name, weight, write)
  statement[name] = write
  for _ = 1, weight do weights[#weights + 1] = name end
end

-- What a name of a kind may be given: fresh values, or another name's own array.
local function new_value(self, kind)
  if kind == "list" then
    return self:pick {
      function() return ("[%s, %s]"):format(self:name "obj" or "{}", self:name "arr" or "[]") end,
      function() return ("%s(%s)"):format(self:pick { "REVERSE", "UNIQUE" }, self:name "list" or "[]") end,
      function() return self:name "list" or "[]" end,
      function() return "[{k1: 2, k2: [1]}, {k1: 1}, {k1: 2}]" end,
    } ()
  end
  if kind == "any" then return self:deep(self:pick { "num", "str", "bool", "arr", "obj", "list" }) end
  if kind == "obj" then
    return self:pick {
      function() return self:name "obj" or "{}" end, function() return ("{k1: %s, k2: %s}"):format(self:deep "num", self:name "arr" or "[]") end,
      function() return ("GROUP_BY(%s, g_ => g_ == 1)"):format(self:deep "arr") end,
    } ()
  end
  return self:deep(kind)
end

define("assign", 10, function(self)
  local name = self:assignable()
  if not name then return self:line("TRACK %s", self:deep "any") end
  self:line("%s %s = %s", self:pick { "STATE", "UPDATE", "SET" }, name.name, new_value(self, name.kind))
end)

define("element", 6, function(self)
  local name = self:assignable "arr"
  if not name then return statement.assign(self) end
  local at = self:pick { "0", "1", "2", name.name .. ".length", "FLOOR(ABS(" .. (self:name "num" or "1") .. " % 4))", "9", "-1" }
  self:line("UPDATE %s[%s] = %s", name.name, at, self:deep(self:pick { "num", "num", "num", "str" }))
end)

define("field", 6, function(self)
  local name = self:assignable "obj"
  if not name then return statement.assign(self) end
  local path = self:pick { ".k1", ".k2", '["k3"]', "[1]", ".k2[0]", ".k4.k1", '["{{' .. (self:name "num" or "1") .. '}}"]' }
  self:line("%s %s%s = %s", self:pick { "UPDATE", "STATE" }, name.name, path, self:deep(self:pick { "num", "str" }))
end)

define("append", 6, function(self)
  local name = self:assignable(self:chance(0.7) and "arr" or "list")
  if not name then return statement.assign(self) end
  self:line("APPEND %s %s", name.name, self:deep(self:pick { "num", "str" }))
end)

define("append_field", 2, function(self)
  local name = self:assignable "obj"
  if name then self:line("APPEND %s.%s %s", name.name, self:pick { "k1", "k3", "log" }, self:deep "num") end
end)

define("method", 4, function(self)
  local list, name = self:assignable "arr", self:assignable "any"
  if not list or not name then return end
  local call = self:pick { "pop()", "shift()", "push(%s)", "unshift(%s, 0)" }
  self:line("STATE %s = %s.%s", name.name, list.name, call:format(self:deep "num"))
end)

define("if", 6, function(self)
  self:nested(("IF %s:"):format(self:deep "bool"))
  if self:chance(0.3) then self:nested(("ELSE IF %s:"):format(self:deep "bool")) end
  if self:chance(0.5) then self:nested "ELSE:" end
end)

define("switch", 3, function(self)
  local kind = self:pick { "num", "str", "arr" }
  self:line("SWITCH %s:", self:deep(kind))
  for _ = 1, self:int(1, 3) do self:nested(("CASE %s, %s:"):format(self:deep(kind), self:deep(kind))) end
  if self:chance(0.6) then self:nested "DEFAULT:" end
end)

-- Turns of loops inside one another are few.
local function may_loop(self) return (self.where.loops or 0) < 2 end

local function loop_where(self) return { loop = true, loops = (self.where.loops or 0) + 1 } end

define("while", 4, function(self)
  if not may_loop(self) then return end
  local name = self:fresh "w"
  self:line("STATE %s = 0", name)
  local condition = self:chance(0.3) and " AND " .. self:deep "bool" or ""
  self:nested(("WHILE %s < %d%s:"):format(name, self:int(1, 3), condition), loop_where(self), { { name = name, kind = "num" } }, function()
    self:line("UPDATE %s = %s + 1", name, name)
    self:block(self:int(1, 3))
  end)
end)

-- The head of a FOREACH, and the names it brings.
local function loop_head(self)
  local kind = self:pick { "arr", "arr", "obj", "list", "range" }
  local list = kind == "range" and ("RANGE(%d)"):format(self:int(1, 3)) or ("%s"):format(self:expression(kind, 1))
  if kind == "range" and self:chance(0.4) then list = self:pick { "RANGE(3, 0, -1)", "RANGE(0.5, 2)", "RANGE(1, 2, 0.5)" } end
  if kind ~= "range" and kind ~= "obj" then list = ("SLICE(%s, 0, 3)"):format(list) end
  local hidden = self:chance(0.1) and self:name "num"
  local var = hidden and hidden ~= "FOREACH_INDEX" and hidden or self:fresh "x"
  local item = kind == "range" and "num" or kind == "obj" and "str" or kind == "arr" and "num" or "any"
  if self:chance(0.3) then
    local key = self:fresh "key"
    return ("FOREACH %s, %s IN %s:"):format(key, var, list),
      { { name = var, kind = kind == "obj" and "any" or item }, { name = key, kind = kind == "obj" and "str" or "num" }, { name = "FOREACH_INDEX", kind = "num" } }
  end
  return ("FOREACH %s IN %s:"):format(var, list), { { name = var, kind = item }, { name = "FOREACH_INDEX", kind = "num" } }
end

define("foreach", 6, function(self)
  if not may_loop(self) then return end
  local head, names = loop_head(self)
  self:nested(head, loop_where(self), names)
end)

local function jump(keyword)
  return function(self)
    if not self.where.loop then return end
    if self:chance(0.7) then self:line("IF %s: %s", self:deep "bool", keyword) else self:line(keyword) end
  end
end

define("break", 2, jump "BREAK")
define("continue", 2, jump "CONTINUE")

define("try", 9, function(self)
  self:nested "TRY:"
  local shape = self:int(1, 3)
  if shape ~= 2 then
    local e = self:fresh "err"
    self:nested(("CATCH %s:"):format(e), { body = false }, {}, function()
      local name = self:assignable "any"
      if name then self:line("STATE %s = {type: %s.type, line: %s.line, agent: %s.agent_id}", name.name, e, e, e) end
      self:block(self:int(0, 2))
      if self:chance(0.1) then self:line("FAIL %s", e) end
    end)
  end
  if shape ~= 1 then self:nested("FINALLY:", { finally = true }) end
end)

define("fail", 2, function(self)
  local fail = self:pick { 'FAIL "broken"', 'FAIL {type: "odd", message: "m", code: 3}', "FAIL " .. self:deep "num" }
  if self:chance(0.6) then self:line("IF %s: %s", self:deep "bool", fail) else self:line(fail) end
end)

define("return", 1, function(self)
  if self.where.side and self.independent then return end
  local result = "RETURN " .. self:deep "any"
  if self:chance(0.8) then self:line("IF %s: %s", self:deep "bool", result) else self:line(result) end
end)

-- The world ----------------------------------------------------------------------------------------------

-- A pause that hardly another thing in the program ends at the same time with.
function Programs:seconds()
  return ("%d.%05d"):format(self:int(0, 2), self:int(1, 99999))
end

define("wait", 5, function(self)
  if self.independent then return self:line("WAIT 0.00%d", self:int(0, 9)) end
  if self:chance(0.05) then return self:line("WAIT %s", self:pick { "0", "1", "-1", '"x"', "null", "n1 - n1" }) end
  self:line("WAIT %s", self:seconds())
end)

local agents = { "echo", "echo", "json", "list", "broken", "odd" }

local function fields(self)
  local more = ""
  if self.independent or self:chance(0.7) then more = more .. ', task_id: "t"' end
  if self:chance(0.15) then more = more .. (', on_error: "%s"'):format(self:pick { "raise", "return" }) end
  if not self.independent and self:chance(0.15) then more = more .. ", timeout: 0.4" end
  return more
end

-- Does something with a reply: keeps it, or a part of it, or its text.
local function use_reply(self, reply)
  local name = self:assignable "any"
  if name then
    self:line("STATE %s = %s", name.name, self:pick {
      reply, reply .. ".output", reply .. ".result", reply .. "?.n", ('"{{%s}}"'):format(reply), ("[%s.success, %s.request_id == null]"):format(reply, reply),
    })
  end
  local list = self:assignable "arr"
  if list and self:chance(0.4) then self:line('APPEND %s "{{%s?.output}}"', list.name, reply) end
end

define("ask", 8, function(self)
  local reply = self:fresh "r"
  self:line("EVENT completion:async {agent_id: \"%s\", prompt: %s%s} AS %s", self:pick(agents), self:deep(self:pick { "str", "num", "any" }), fields(self), reply)
  use_reply(self, reply)
end)

local function send(self, agent)
  local shape = self:int(1, 3)
  if shape == 1 and not self.independent then return self:line("SEND %s %s", agent, self:deep "str") end
  if shape == 2 then return self:line("SEND {to: \"%s\", message: %s%s}", agent, self:deep "str", fields(self)) end
  self:line("EVENT completion:async {agent_id: \"%s\", prompt: %s%s}", agent, self:deep "str", fields(self))
end

local function await(self, sent, n)
  local reply = self:fresh "m"
  local source = self:pick { "", " FROM " .. sent[n], (" FROM ANY([%s])"):format(table.concat(sent, ", ")) }
  if self.independent then source = " FROM " .. sent[n] end
  local late = not self.independent and self:chance(0.4)
  -- With a source and no end a message that somebody else took would be awaited for ever.
  if source ~= "" and not self.independent then late = true end
  local timeout = late and (" TIMEOUT " .. self:seconds()) or ""
  if self:chance(0.5) then
    self:line("AWAIT %s%s%s", reply, source, timeout)
    return use_reply(self, reply)
  end
  self:nested(("AWAIT %s%s%s:"):format(reply, source, timeout), {}, {}, function()
    use_reply(self, reply)
    self:block(1)
    self:line("TRACK %s.agent_id", reply)
  end)
  if late and self:chance(0.6) then self:nested "TIMEOUT:" end
end

define("mail", 4, function(self)
  if self.independent and self.where.side and not self.where.iteration then return end
  local sent = {}
  for i = 1, self:int(1, 3) do
    sent[i] = self:pick(agents)
    if self.independent then sent[i] = ({ "echo", "json", "list" })[i] end
    send(self, sent[i])
  end
  if #sent > 1 and self:chance(0.3) then
    local replies = self:fresh "all"
    self:line("AWAIT %s FROM ALL([%s])%s", replies, table.concat(sent, ", "), self.independent and "" or " TIMEOUT " .. self:seconds())
    local name = self:assignable "any"
    if name then self:line("STATE %s = %s == null ? null : MAP(%s, m_ => m_.output)", name.name, replies, replies) end
    return
  end
  for i = 1, #sent do await(self, sent, i) end
end)

define("entity", 3, function(self)
  if self.where.side then return end
  local id, found = self:pick { "x", "y" }, self:fresh "ent"
  local entity = ('{type: "t", id: "%s"'):format(id)
  self:line("%s", self:pick {
    ("EVENT state:entity:update %s, properties: {n: %s}} AS %s"):format(entity, self:deep "num", found),
    ("EVENT state:entity:update %s, properties: {m: %s}}"):format(entity, self:deep "str"), ("EVENT state:entity:create %s}"):format(entity),
    ("EVENT state:entity:delete %s} AS %s"):format(entity, found), ('PERSIST t {key: "%s", data: {p: %s}}'):format(id, self:deep "num"),
  })
  self:line('EVENT state:entity:get {type: "t", id: "%s"} AS %s', id, found)
  self:line("STATE %s = %s?.properties", found, found)
end)

define("status", 1, function(self) self:line("EVENT agent:status {at: %s}", self:deep "any") end)

-- Side by side ---------------------------------------------------------------------------------------------

-- What a branch of an independent program sees: what nobody changes, and names of its own.
local function own_names(self, slots)
  local seen = {}
  for _, name in ipairs(self.scope) do
    if name.constant or name.name == "FOREACH_INDEX" then seen[#seen + 1] = name end
  end
  for _, kind in ipairs { "num", "arr", "obj", "any" } do
    local name = self:fresh("own_" .. kind)
    self:line("STATE %s = %s", name, kind == "any" and "null" or new_value(self, kind))
    seen[#seen + 1] = { name = name, kind = kind, assign = true }
    slots[#slots + 1] = name
  end
  return seen
end

local function side_block(self, slot)
  return function()
    local outer, slots = self.scope, {}
    if self.where.apart then self.scope = own_names(self, slots) end
    self:block(self:int(1, 3))
    if self.where.apart then self:line("UPDATE slots[%s] = \"{{[%s]}}\"", slot, table.concat(slots, ", ")) end
    self.scope = outer
  end
end

define("parallel", 5, function(self)
  if (self.where.sides or 0) >= 2 or self.where.depth > 3 or self.where.finally and self:chance(0.7) then return end
  local apart = self.independent or self:chance(0.4)
  local where = { side = true, sides = (self.where.sides or 0) + 1, loop = false, apart = apart, loops = 1, iteration = false }
  self:nested(self:chance(0.4) and ("PARALLEL(limit: %d):"):format(self:int(1, 2)) or "PARALLEL:", where, {}, function()
    for _ = 1, self:int(1, 3) do
      local slot = self:fresh "s"
      if self:chance(0.5) then
        local head, names = loop_head(self)
        for _, name in ipairs(names) do name.constant = true end
        self:nested(head, { iteration = true }, names, side_block(self, ('"%s/{{FOREACH_INDEX}}"'):format(slot)))
      else
        self:nested(("BRANCH %s:"):format(slot), {}, {}, side_block(self, ('"%s"'):format(slot)))
      end
    end
  end)
end)

-- Blocks ------------------------------------------------------------------------------------------------------

--- Writes some statements.
function Programs:block(count)
  local before = #self.lines
  for _ = 1, count do
    local name = self:pick(weights)
    if self.where.depth > 4 and statement[name] and (name == "try" or name == "parallel" or name == "foreach" or name == "while") then name = "assign" end
    if self.left > 0 then
      self.left = self.left - 1
      statement[name](self)
    end
  end
  if #self.lines == before then self:line("TRACK %d", self:int(1, 9)) end
end

local declared = {
  { "n1", "num" }, { "n2", "num" }, { "s1", "str" }, { "a1", "arr" }, { "a2", "arr" }, { "o1", "obj" }, { "o2", "obj" }, { "b1", "list" }, { "v1", "any" }, { "v2", "any" },
}
-- What nobody changes; where the order of branches must not matter, each use is a copy.
local constants = {
  { "c1", "num", "3" }, { "c2", "str", '"a,b"' }, { "c3", "arr", "[4, 1, 2.5]", "SLICE(c3, 0)" }, { "c4", "obj", '{k1: 2, k2: "x"}', "MERGE(c4, {})" },
}

-- The last lines: everything is the result, in an order of its own.
local function ending(self)
  if self.independent then return self:line "RETURN [n1, n2, s1, a1, a2, o1, o2, b1, v1, v2, SORT(ENTRIES(slots), pair_ => pair_[0])]" end
  if self:chance(0.7) then self:line "RETURN [n1, n2, s1, a1, a2, o1, o2, b1, v1, v2, slots]" end
end

local function declare(self)
  self:line "STATE slots = {}"
  for _, constant in ipairs(constants) do
    self:line("STATE %s = %s", constant[1], constant[3])
    table.insert(self.scope, { name = self.independent and constant[4] or constant[1], kind = constant[2], constant = true })
  end
  for _, name in ipairs(declared) do
    self:line("STATE %s = %s", name[1], self:expression(name[2], 0))
    table.insert(self.scope, { name = name[1], kind = name[2], assign = true })
  end
end

local function body(self)
  while self.left > 0 do
    if self:chance(0.3) then self:block(2) else statement.try(self) end
  end
end

--- The text of a random program. An independent one never fails: it returns its error.
---@param seed integer
---@param options? { independent: boolean? }
---@return string
function M.generate(seed, options)
  local self = setmetatable({
    state = seed * 0x9E3779B97F4A7C15 ~ 0x5DEECE66D, lines = {}, level = 0, scope = {}, where = { depth = 0 }, left = 45,
    independent = options and options.independent,
  }, Programs)
  for _ = 1, 5 do self:next() end
  declare(self)
  if self.independent then
    self:nested("TRY:", { depth = -1 }, {}, function() body(self) end)
    self:nested("CATCH fatal:", {}, {}, function() self:line "STATE v1 = [fatal.type, fatal.line]" end)
  else
    body(self)
  end
  ending(self)
  return table.concat(self.lines, "\n") .. "\n"
end

return M
