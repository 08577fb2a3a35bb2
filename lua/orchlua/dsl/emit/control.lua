-- Compiles what leaves blocks: TRY with its CATCH and FINALLY, BREAK, CONTINUE,
-- RETURN, and AWAIT's two blocks. There is no handler stack at run time: each
-- site knows at compile time where an error raised there goes (`handler`) and
-- where its branch goes when the run is cancelled (`cancel`), as labels (pcs)
-- of its unit. A FINALLY block is compiled once; a slot of the frame, `exit`,
-- says what to do behind it.

local M = {}

-- TRY --------------------------------------------------------------------------

--- The rules at the start of a unit.
function M.start()
  return { caught = false, inside = false }
end

-- Whether some CATCH around this point, here or in a unit around this one, takes an error.
local function caught_outside(self)
  return self.try.caught or self.unit.caught or false
end

-- What happens behind a FINALLY, beside going on: a list of numbered exits.
local function new_finally(self, outer)
  return { exit = self:hidden "exit", value = self:hidden "value", exits = {}, outer = outer, loop = self.loop }
end

-- Registers an exit through a FINALLY: `resume(self)` writes what follows it.
local function exit_through(finally, key, resume)
  for number, exit in ipairs(finally.exits) do
    if exit.key == key then return number end
  end
  finally.exits[#finally.exits + 1] = { key = key, resume = resume }
  return #finally.exits
end

local function go_through(self, finally, key, resume)
  self:assign(finally.exit, tostring(exit_through(finally, key, resume)))
  self:jump(finally.label)
end

-- Compiles a block under other rules for errors.
local function under(self, try, block)
  local outer = self.try
  self.try = try
  self:block(block)
  self.try = outer
end

local function rethrow(self, finally)
  local site = self:site(finally.node, { rethrow = true })
  self:put(("at = %d %s(%s)"):format(site, self:helper "rethrow", self:read(finally.value)))
end

local function go_on_cancelled(self)
  local outer = self.try.finally
  if outer then return go_through(self, outer, "cancel", go_on_cancelled) end
  self:leave '"cancelled"'
end

local function catch_block(self, node, label, try)
  self:place(label.name)
  if node.catch.var then self:assign(node.catch.var.slot, "v") end
  under(self, try, node.catch.body)
end

function M.try(self, node)
  local outer = self.try
  local finally = node.finally and new_finally(self, outer)
  local done = self:label()
  local after_cancel, after_error, catch
  if finally then
    finally.node, finally.label = node, self:label()
    after_cancel, after_error = self:resume_label(), self:resume_label()
  end
  if node.catch then catch = self:resume_label() end

  -- An error in the CATCH block, or in a body without one, passes FINALLY only
  -- when somebody outside takes it; else the run stops where it was raised.
  local passing = finally and caught_outside(self) and after_error.pc or (not finally and outer.handler or nil)
  local cancel = finally and after_cancel.pc or outer.cancel
  local within_catch = {
    handler = passing, cancel = cancel, finally = finally or outer.finally, caught = outer.caught, inside = outer.inside, finishing = outer.finishing,
  }
  local within_body = {
    handler = catch and catch.pc or passing, cancel = cancel, finally = finally or outer.finally,
    caught = catch ~= nil or outer.caught, inside = true, finishing = outer.finishing,
  }

  under(self, within_body, node.body)
  if catch then
    self:jump(finally and finally.label .. "_on" or done)
    catch_block(self, node, catch, within_catch)
  end
  if finally then M.finally(self, node, finally, after_cancel, after_error) end
  self:place(done)
end

-- A cancel does not cut a FINALLY block off, nor what is nested in it: it changes what
-- follows the outermost.
local function finally_block(self, node, finally)
  local try = {}
  for key, field in pairs(self.try) do try[key] = field end
  try.finishing = try.finishing or { key = finally.exit.key, exit = exit_through(finally, "cancel", go_on_cancelled) }
  under(self, try, node.finally)
end

function M.finally(self, node, finally, after_cancel, after_error)
  self:place(finally.label .. "_on")
  self:assign(finally.exit, "0")
  self:jump(finally.label)
  self:place(after_cancel.name)
  go_through(self, finally, "cancel", go_on_cancelled)
  self:place(after_error.name)
  self:assign(finally.value, "v")
  go_through(self, finally, "error", function() rethrow(self, finally) end)
  self:place(finally.label)
  finally_block(self, node, finally)
  for number, exit in ipairs(finally.exits) do
    local past = self:label()
    self:put(("if %s ~= %d then goto %s end"):format(self:read(finally.exit), number, past))
    exit.resume(self)
    self:place(past)
  end
end

-- Jumps ------------------------------------------------------------------------

-- The FINALLY to pass on the way to a loop's edge, when there is one inside it.
local function finally_before(self, loop)
  local finally = self.try.finally
  return finally and finally ~= loop.try.finally and finally
end

--- BREAK (`edge` "done") and CONTINUE ("again") of the innermost loop.
function M.leave_loop(self, edge)
  local loop = self.loop
  local finally = finally_before(self, loop)
  if not finally then return self:jump(loop[edge]) end
  go_through(self, finally, edge .. loop.done, function()
    local here = self.loop
    self.loop = loop
    M.leave_loop(self, edge)
    self.loop = here
  end)
end

--- RETURN with the value in `code`.
function M.leave_run(self, code)
  local finally = self.try.finally
  if not finally then return self:leave('"return", ' .. code) end
  self:assign(finally.value, code)
  go_through(self, finally, "return", function() M.leave_run(self, self:read(finally.value)) end)
end

-- AWAIT ------------------------------------------------------------------------

--- The blocks of an AWAIT: `v` is the message, or nil when the time is over.
function M.await_blocks(self, node)
  local timed_out, done = self:label(), self:label()
  local name = node.var or node.as
  self:put(("if v == nil then goto %s end"):format(timed_out))
  if name then self:assign(name.slot, "v") end
  self:block(node.body or {})
  if node.on_timeout then self:jump(done) end
  self:place(timed_out)
  if node.on_timeout then self:block(node.on_timeout) end
  self:place(done)
end

--- The children of a PARALLEL in order: each has its unit, which learns here
--- whether somebody around it takes an error.
function M.children(self, node)
  for _, unit in ipairs(node.units) do unit.caught = caught_outside(self) end
  local children = {}
  for _, child in ipairs(node.body) do
    if child.unit then children[#children + 1] = child end
  end
  return children
end

return M
