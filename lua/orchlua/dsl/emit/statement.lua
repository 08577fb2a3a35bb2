-- Compiles statements. What waits returns an operation to the scheduler and is
-- entered again behind it; everything else runs straight on. Operations:
--   "event" site name data      "await" site mode from timeout   "wait" site seconds
--   "parallel" site limit lists "return" value                   "done"
-- The value a wait gives back is the function's argument `v`.

local control = require "orchlua.dsl.emit.control"
local expression = require "orchlua.dsl.emit.expression"
local kinds = require "orchlua.dsl.emit.kinds"
local walk = require "orchlua.dsl.walk"

local Writer = expression.Writer
local quote = Writer.quote

local M = {}

local statement = {}

--- Compiles a block.
function Writer:block(block)
  local outer, assigned = self.statement, self.assigned
  self.depth = (self.depth or 0) + 1
  self.assigned = setmetatable({}, { __index = assigned })
  for _, node in ipairs(block) do
    self:move(node.pos)
    self.marked, self.statement = nil, node
    self:entry_at(node)
    statement[node.tag](self, node)
  end
  self.statement, self.assigned = outer, assigned
  self.depth = self.depth - 1
end

-- A statement whose temporaries end with it.
local function scoped(compile)
  return function(self, node)
    local close = self:open()
    compile(self, node)
    close()
  end
end

local function optional_value(self, node)
  if not node then return "nil" end
  return (self:value(node))
end

-- Names ------------------------------------------------------------------------

-- The path as a place of its own that is assigned, so that an error says so.
local function as_target(path)
  local target = { assigned = true }
  for key, field in pairs(path) do
    if key ~= "site" then target[key] = field end
  end
  return target
end

-- Stores a value at a path; `store(container code, key code)` for all but names.
function Writer:store(path, code)
  if path.tag == "Name" then
    self:assign(path.slot, self:unlet(code))
    return self:is_assigned(path.slot)
  end
  path = as_target(path)
  local object, kind, nullable = self:value(path.object)
  if path.tag == "Index" then
    local key = self:value(path.index)
    self:mark(path)
    return self:put(("%s(%s, %s, %s)"):format(self:helper "set_index", object, key, code))
  end
  local slow = self:mark_branch(path, kind == "object" and not nullable)
  local set = ("%s%s(%s, %s, %s)"):format(slow, self:helper "set_field", object, quote(path.name), code)
  if kind == "array" or string[path.name] ~= nil then return self:put(set) end
  local home = ("%s[%s]"):format(object, quote(path.name))
  self:put(("if %s == nil then %s else %s = %s end"):format(home, set, home, code))
end

statement.State = scoped(function(self, node)
  local code = self:value(node.value)
  self:store(node.target, code)
end)

statement.Update = statement.State

statement.Append = scoped(function(self, node)
  local code = self:value(node.value)
  local list = self:value(node.target)
  self:mark(as_target(node.target))
  self:store(node.target, self:let(("%s(%s, %s)"):format(self:helper "append", list, code)))
end)

statement.Input = scoped(function(self, node)
  if not node.default then return end
  local name = quote(node.name.name)
  local close = self:open(("if run.inputs[%s] == nil then"):format(name))
  self:assign(node.name.slot, (self:value(node.default)))
  close()
end)

-- Control ------------------------------------------------------------------------

function statement.If(self, node)
  local done = self:label()
  for i, clause in ipairs(node.clauses) do
    local next_clause = self:label()
    self:move(clause.pos)
    self:jump_unless(clause.cond, next_clause)
    self:block(clause.body)
    if i < #node.clauses or node.otherwise then self:jump(done) end
    self:place(next_clause)
  end
  if node.otherwise then self:block(node.otherwise) end
  self:place(done)
end

-- Counts a loop's turn; every so often the run looks whether that was too many.
function Writer:turn(node)
  local site = self:site(node)
  self.program.sites[site].turn = true
  self:put(("n = n - 1 if n < 0 then at = %d n = %s(run) end"):format(site, self:helper "more"))
  self.marked = nil
end

function Writer:loop_body(node, loop)
  local outer = self.loop
  loop.try = self.try
  self.loop = loop
  self:block(node.body)
  self.loop = outer
end

function statement.While(self, node)
  local again, done = self:label(), self:label()
  self:place(again)
  self:entry_at(node, true)
  self:turn(node)
  self:jump_unless(node.cond, done)
  self:loop_body(node, { again = again, done = done })
  self:jump(again)
  self:place(done)
end

-- `RANGE` in a loop's head is counted, not made.
local function is_range(node)
  return node.tag == "Call" and node.name == "RANGE" and node.signature ~= nil
end

function Writer:loop_source(node)
  if is_range(node.list) then
    local codes = self:arguments(node.list.args)
    self:mark(node.list)
    return ("%s(%s)"):format(self:helper "range", table.concat(codes, ", "))
  end
  local list = self:value(node.list)
  self:mark { tag = "Foreach", pos = node.list.pos, stop = node.list.stop, list = node.list }
  return ("%s(%s, %s, run)"):format(self:helper "items", list, tostring(node.key ~= nil))
end

local long = { Event = true, Await = true, Wait = true, Parallel = true, Try = true, While = true, Foreach = true }

-- Whether a loop's turns are short: nothing in them waits, loops or is entered
-- again behind an error, so that only this loop counts turns meanwhile.
local function has_short_turns(node)
  local short = true
  walk.statements(node.body, function(inner)
    short = short and not long[inner.tag]
    return short
  end)
  return short
end

-- Takes as many of the turns that are left as a loop of short turns can use: it
-- counts none below `stop`.
local function take_turns(self, node, position, stop, count, done)
  local close = self:open(("if %s >= %s then"):format(position, stop))
  self:turn(node)
  self:put(("if %s >= %s then goto %s end"):format(position, count, done))
  self:put(("%s = %s + n + 1 if %s > %s then %s = %s end"):format(stop, position, stop, count, stop, count))
  self:put(("n = n - (%s - %s - 1)"):format(stop, position))
  close()
end

-- Gives back the turns that the innermost loop took and leaves unused.
local function return_turns(self)
  local loop = self.loop
  if loop and loop.stop then self:put(("n = n + (%s - %s - 1)"):format(loop.stop, loop.position)) end
end

-- A loop over the positions 0, 1, … below `count`, held in `place`;
-- `bind(position)` assigns the loop's names.
local function counted_loop(self, node, place, count, bind)
  local again, done = self:label(), self:label()
  local position = self:read(place)
  local stop = has_short_turns(node) and self:read(self:hidden "stop") or nil
  self:assign(place, "-1")
  if stop then self:put(stop .. " = 0") end
  self:place(again)
  self:assign(place, position .. " + 1")
  self:entry_at(node, true)
  if stop then
    take_turns(self, node, position, stop, count, done)
  else
    self:turn(node)
    self:put(("if %s >= %s then goto %s end"):format(position, count, done))
  end
  if node.index.reads > 0 then self:assign(node.index, position) end
  bind(position)
  self:loop_body(node, { again = again, done = done, stop = stop, position = position })
  self:jump(again)
  self:place(done)
end

-- `FOREACH i IN RANGE(n)` needs no place but `i`, when nothing else assigns it.
local function is_own_place(node)
  return #node.list.args == 1 and #node.var.slot.writes == 1
end

local function foreach_range(self, node)
  local range, count, var = self:hidden "range", self:hidden "count", node.var.slot
  local close = self:open()
  local source = self:let(self:loop_source(node))
  self:assign(count, source .. ".count")
  local plain = #node.list.args == 1
  if not plain then self:assign(range, source) end
  close()
  self:is_assigned(var)
  local place = is_own_place(node) and var or self:hidden "position"
  counted_loop(self, node, place, self:read(count), function(position)
    if node.key then self:assign(node.key.slot, position) end
    if place == var then return end
    local r = self:read(range)
    self:assign(var, plain and position or ("%s.first + %s * %s.step"):format(r, position, r))
  end)
end

function statement.Foreach(self, node)
  if is_range(node.list) then return foreach_range(self, node) end
  local items = self:hidden "items"
  local close = self:open()
  self:assign(items, self:let(self:loop_source(node)))
  close()
  local list = self:read(items)
  counted_loop(self, node, self:hidden "position", list .. ".count", function(position)
    if node.key then self:assign(node.key.slot, ("%s.keys[%s + 1]"):format(list, position)) end
    self:assign(node.var.slot, ("%s[%s + 1]"):format(list, position))
  end)
  self:assign(items, "nil")
end

function statement.Break(self)
  return_turns(self)
  control.leave_loop(self, "done")
end

function statement.Continue(self) control.leave_loop(self, "again") end

local scalar = { string = true, number = true, boolean = true, null = true }

function statement.Switch(self, node)
  local done, labels = self:label(), {}
  local close = self:open()
  local subject = self:let((self:value(node.subject)))
  for i, case in ipairs(node.cases) do
    labels[i] = self:label()
    for _, expected in ipairs(case.values) do
      local inner = self:open()
      self:move(expected.pos)
      local code, kind = self:value(expected)
      if not scalar[kind] then self:mark(expected) end
      self:put(("if %s == %s%s then goto %s end"):format(subject, code,
        scalar[kind] and "" or (" or %s(%s, %s, run)"):format(self:helper "equal", subject, code), labels[i]))
      inner()
    end
  end
  close()
  local otherwise = node.default and self:label() or done
  self:jump(otherwise)
  for i, case in ipairs(node.cases) do
    self:place(labels[i])
    self:block(case.body)
    self:jump(done)
  end
  if node.default then
    self:place(otherwise)
    self:block(node.default)
  end
  self:place(done)
end

statement.Try = control.try

-- Waiting ---------------------------------------------------------------------------

-- Behind a wait at the top level of a unit nothing older is left to write back.
function Writer:waited()
  if self.depth == 1 then self:settled() end
end

-- A failed call raises where it stands in sequence, or in a TRY of its own branch.
local function raises(self)
  return self.unit.kind == "main" or self.try.inside
end

-- Events that are waited for also without AS: one ends the run, the other may fail.
local always_awaited = { ["orchestration:request_termination"] = true, ["state:entity:create"] = true }

-- The places that a pattern's code acts from, all at its EVENT: what it asks in sequence
-- and in parallel, what it sends, what it waits for.
local function flow_sites(self, node)
  return {
    ask = self:site(node, { awaited = true, raises = true }), gather = self:site(node, { awaited = true, raises = false }),
    send = self:site(node, { awaited = false, raises = false }), wait = self:site(node, { await = true }),
  }
end

-- What is known of an event's data: nobody else holds it when it is `fresh`, and `flat` holds no other value either.
local function freshness(data)
  if not data or data.tag ~= "Object" then return nil end
  for _, entry in ipairs(data.entries) do
    if not scalar[kinds.of(entry.value)] then return "fresh" end
  end
  return "flat"
end

function statement.Event(self, node)
  local close = self:open()
  local awaited = node.as ~= nil or always_awaited[node.name] == true
  local data = node.data and (self:value(node.data)) or self:helper "null"
  local site = self:site(node, { event = node.name, raises = raises(self), awaited = awaited, data = freshness(node.data) })
  if node.name:find "^pattern:" then self.program.sites[site].flow = flow_sites(self, node) end
  if not awaited then
    self:put(("at = %d %s(run, %d, %s, %s)"):format(site, self:helper "emit", site, quote(node.name), data))
    return close()
  end
  self:wait_in(close, ('"event", %d, %s, %s'):format(site, quote(node.name), data))
  self:waited()
  if node.as then self:assign(node.as.slot, "v") end
end

--- Like `wait`, for an operation whose arguments are temporaries of an open
--- block: the block is closed before the label that follows.
function Writer:wait_in(close, code)
  local label = self:resume_label()
  self:put(("f[1] = %d"):format(label.pc))
  self:leave(code)
  close()
  self:place(label.name)
end

function statement.Await(self, node)
  local close = self:open()
  local from = node.from and (self:value(node.from.value)) or "nil"
  local mode = node.from and quote(node.from.mode) or "nil"
  local timeout = optional_value(self, node.timeout)
  if node.options then
    local options = self:value(node.options)
    self:mark(node)
    mode = self:let(("%s(%s)"):format(self:helper "await_options", options))
    from, timeout = mode .. ".from", mode .. ".timeout"
    mode = mode .. ".mode"
  end
  local site = self:site(node, { await = true, raises = raises(self) })
  self:wait_in(close, ('"await", %d, %s, %s, %s'):format(site, mode, from, timeout))
  self:waited()
  if not node.body and not node.on_timeout then
    local name = node.var or node.as
    if name then self:assign(name.slot, ("v == nil and %s or v"):format(self:helper "null")) end
    return
  end
  control.await_blocks(self, node)
end

statement.Wait = function(self, node)
  local close = self:open()
  local seconds = self:value(node.seconds)
  local site = self:site(node, { wait = true })
  self:wait_in(close, ('"wait", %d, %s'):format(site, seconds))
  self:waited()
end

function statement.Parallel(self, node)
  local close = self:open()
  local limit = optional_value(self, node.limit)
  local lists = self:let "{}"
  for i, child in ipairs(control.children(self, node)) do
    if child.tag == "Foreach" then
      self:put(("%s[%d] = %s"):format(lists, i, self:loop_source(child)))
    elseif child.label then
      self:put(("%s[%d] = %s"):format(lists, i, (self:text_of(child.label))))
    end
  end
  local site = self:site(node, { units = node.units })
  self:wait_in(close, ('"parallel", %d, %s, %s'):format(site, limit, lists))
  self:waited()
end

statement.Return = function(self, node)
  local close = self:open()
  local code = node.value and (self:value(node.value)) or self:helper "null"
  code = self:let(code)
  if self.try.finally then return_turns(self) end
  control.leave_run(self, code)
  close()
end

-- Effects ----------------------------------------------------------------------------

-- A statement that hands its values to a helper and goes on.
local function effect(helper, ...)
  local fields = { ... }
  return scoped(function(self, node)
    local codes = {}
    for i, field in ipairs(fields) do codes[i] = optional_value(self, node[field]) end
    local site = self:mark(node)
    self:put(("%s(run, %d, %s)"):format(self:helper(helper), site, table.concat(codes, ", ")))
  end)
end

statement.Track = effect("track", "data")
statement.Budget = effect("budget", "limits")
statement.Persist = effect("persist", "kind", "data")
statement.Fail = effect("fail", "value")

local send = effect("send", "to", "message")
local send_options = effect("send_options", "options")

function statement.Send(self, node)
  return (node.options and send_options or send)(self, node)
end

statement.Share = scoped(function(self, node)
  local shared = self:value(node.name)
  local agent = self:value(node.with)
  local site = self:mark(node)
  self:put(("%s(run, %d, %s, %s, %s)"):format(self:helper "share", site, agent, quote(node.name.name), shared))
end)

function statement.Heading(self, node)
  self:put(("%s(run, %s)"):format(self:helper "phase", quote(node.text)))
end

return M
