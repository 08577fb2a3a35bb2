-- Parses statements: one function for each keyword, called behind it. The node's
-- place is set by the caller; a block's header sets its own `stop`.

local expressions = require "orchlua.dsl.expression"
local words = require "orchlua.dsl.words"

local M = {}

-- A block's statement ends, for messages, where its header does.
local function header(self, node)
  node.stop = self:last_stop()
  return node
end

local function path(self, tight)
  local token = self:peek()
  if words.reserved[token.value] then self:name() end
  local target = self:postfix(tight)
  local inner = target
  while inner.tag == "Field" or inner.tag == "Index" do
    if inner.optional then self:fail("`?.` cannot be assigned to", "write `.`", token) end
    inner = inner.object
  end
  if inner.tag ~= "Name" then self:fail("expected a name or a path to assign to", nil, token) end
  return target
end

-- Assignments ---------------------------------------------------------------------

local function assignment(tag)
  return function(self)
    local target = path(self)
    self:expect("=", "after the name", self:is "==" and "`=` assigns" or nil)
    return { tag = tag, target = target, value = self:expression() }
  end
end

M.STATE, M.UPDATE, M.SET = assignment "State", assignment "Update", assignment "Update"

function M.INPUT(self)
  local name = self:name "the input's name"
  return { tag = "Input", name = name, default = self:accept "=" and self:expression() or nil }
end

function M.APPEND(self)
  local target = path(self, true)
  if self:finished() then self:fail("expected a value to append", "APPEND list value") end
  return { tag = "Append", target = target, value = self:expression() }
end

function M.TRACK(self)
  return { tag = "Track", data = self:expression() }
end

-- Control --------------------------------------------------------------------------

local function condition(self, keyword)
  local cond = self:expression()
  if self:is "=" then self:fail(("expected `:` after the condition of %s, and found `=`"):format(keyword), "`==` compares") end
  return cond
end

local function clause(self, keyword, pos)
  local found = { pos = pos, cond = condition(self, keyword) }
  found.stop = self:last_stop()
  found.body = self:block("the condition of " .. keyword)
  return found
end

function M.IF(self, token)
  local node = { tag = "If", clauses = { clause(self, "IF", token.pos) } }
  node.stop = node.clauses[1].stop
  while true do
    local pos = self.parser.lines[self.parser.next] and self.parser.lines[self.parser.next].pos
    if self:clause "ELIF" then
      node.clauses[#node.clauses + 1] = clause(self, "ELIF", pos)
    elseif self:clause "ELSE" then
      if not self:accept "IF" then
        node.otherwise = self:block "ELSE"
        return node
      end
      node.clauses[#node.clauses + 1] = clause(self, "ELSE IF", pos)
    else
      return node
    end
  end
end

function M.WHILE(self)
  local node = header(self, { tag = "While", cond = condition(self, "WHILE") })
  node.stop = self:last_stop()
  node.body = self:block "the condition of WHILE"
  return node
end

function M.FOREACH(self)
  local node = { tag = "Foreach", var = self:name "the element's name" }
  if self:accept "," then node.key, node.var = node.var, self:name "the value's name" end
  self:expect("IN", "after the name", "FOREACH item IN list:")
  node.list = self:expression()
  header(self, node)
  node.body = self:block "the list of FOREACH"
  return node
end

function M.BREAK() return { tag = "Break" } end
function M.CONTINUE() return { tag = "Continue" } end

-- The CASE lines under a SWITCH, or at its own indentation.
local function cases(self, node)
  while self:clause "CASE" do
    local case = { pos = self.line.pos, values = {} }
    repeat case.values[#case.values + 1] = self:expression() until not self:accept ","
    case.stop = self:last_stop()
    case.body = self:block "the values of CASE"
    node.cases[#node.cases + 1] = case
  end
  if self:clause "DEFAULT" then node.default = self:block "DEFAULT" end
end

function M.SWITCH(self)
  local node = header(self, { tag = "Switch", subject = self:expression(), cases = {} })
  node.stop = self:last_stop()
  self:expect(":", "after the value of SWITCH")
  if not self:finished() then self:fail("the CASE lines stand under SWITCH", "start a new line, indented deeper") end
  self.opened = true
  local outer, ahead = self.indent, self.parser:indent_ahead()
  self.indent = ahead or outer
  cases(self, node)
  local line = self.parser.lines[self.parser.next]
  if #node.cases == 0 and not node.default then
    self:fail("expected CASE under SWITCH", "CASE \"value\": …", { pos = node.subject.pos, stop = node.subject.stop })
  end
  if line and line.indent and line.indent == self.indent and self.indent > outer and line.good then
    self.parser.next = self.parser.next + 1
    self.tokens, self.at = line.tokens, 1
    self:fail(("expected CASE or DEFAULT in a SWITCH, and found `%s`"):format(line.tokens[1].value), "DEFAULT comes last")
  end
  self.indent = outer
  return node
end

function M.TRY(self, token)
  local node = { tag = "Try", stop = token.stop, body = self:block "TRY" }
  if self:clause "CATCH" then
    local catch = { pos = self.line.pos }
    if not self:is ":" then catch.var = self:name "the error's name" end
    catch.stop = self:last_stop()
    catch.body = self:block "CATCH"
    node.catch = catch
  end
  if self:clause "FINALLY" then node.finally = self:block "FINALLY" end
  if not node.catch and not node.finally then
    self:fail("a TRY has a CATCH, a FINALLY or both", "put CATCH e: under its block", token)
  end
  return node
end

-- Side by side -----------------------------------------------------------------------

function M.PARALLEL(self)
  local node = { tag = "Parallel" }
  if self:accept "(" then
    local name = self:name "`limit`"
    if name.name ~= "limit" then self:fail("PARALLEL takes a limit", "PARALLEL(limit: 3):", { pos = name.pos, stop = name.stop }) end
    self:expect(":", "after `limit`")
    node.limit = self:expression()
    self:expect(")", "after the limit")
  end
  header(self, node)
  node.body = self:block "PARALLEL"
  return node
end

function M.BRANCH(self)
  local node, token = { tag = "Branch" }, self:peek()
  if token.type == "label" then
    self:take()
    node.label = expressions.template(self, token)
  end
  header(self, node)
  node.body = self:block "the label of BRANCH"
  return node
end

-- The world ---------------------------------------------------------------------------

-- `ns:name`, with `-`, `.` and further `:` in it, written without spaces.
local function event_name(self)
  local first = self:peek()
  if first.type ~= "name" then self:fail("expected an event's name after EVENT", "EVENT completion:async {…}") end
  local parts, stop = { self:take().value }, first.stop
  while self:peek().pos == stop and self:peek().type ~= "end" do
    local token = self:peek()
    if not (token.type == "name" or token.type == "number" or token.value == ":" or token.value == "-" or token.value == ".") then break end
    parts[#parts + 1] = token.type == "number" and token.value or token.value
    stop = token.stop
    self:take()
  end
  local name = table.concat(parts)
  if not name:find "^[%w_.-]+:[%w_.:-]*[%w_]$" then
    self:fail(("`%s` is no event's name"):format(name), "an event's name has two parts: agent:status", { pos = first.pos, stop = stop })
  end
  return name, first.pos
end

function M.EVENT(self)
  local node = { tag = "Event" }
  node.name, node.name_pos = event_name(self)
  if not self:finished() and not self:is "AS" then node.data = self:expression() end
  if self:accept "AS" then node.as = self:name "a name for the result" end
  return node
end

local function source(self)
  local token = self:peek()
  local mode = token.type == "name" and (token.value == "ANY" or token.value == "ALL") and self:peek(1).value == "(" and token.value:lower()
  if not mode then
    local value = self:expression()
    return { mode = "one", value = value, pos = value.pos, stop = value.stop }
  end
  self:take()
  self:take()
  local value = self:expression()
  self:expect(")", "after the list of agents")
  return { mode = mode, value = value, pos = token.pos, stop = self:last_stop() }
end

local function await_head(self, node)
  if self:is "{" then
    node.options = self:expression()
    self:expect("AS", "after the options of AWAIT", "AWAIT {from: …, timeout: …} AS reply")
    node.as = self:name "a name for the message"
    return
  end
  node.var = self:name "a name for the message"
  if self:accept "FROM" then node.from = source(self) end
  if self:accept "TIMEOUT" then node.timeout = self:expression() end
end

function M.AWAIT(self)
  local node = { tag = "Await" }
  await_head(self, node)
  header(self, node)
  if self:is ":" then
    node.body = self:block "AWAIT"
  end
  if self:clause "TIMEOUT" then node.on_timeout = self:block "TIMEOUT" end
  return node
end

function M.SEND(self)
  if self:is "{" and not (self:peek(1).value == "{" and self:peek(1).pos == self:peek().stop) then
    return { tag = "Send", options = self:expression() }
  end
  local to = self:postfix(true)
  if self:finished() then self:fail("expected a message after the agent", "SEND agent message") end
  return { tag = "Send", to = to, message = self:expression() }
end

function M.SHARE(self)
  local name = self:name "the name of what is shared"
  self:expect("WITH", "after the name", "SHARE findings WITH reviewer")
  return { tag = "Share", name = name, with = self:expression() }
end

function M.PERSIST(self)
  local token = self:peek()
  local kind
  if token.type == "name" and self:peek(1).value == "{" then
    self:take()
    kind = { tag = "String", value = token.value, pos = token.pos, stop = token.stop }
  else
    kind = self:postfix(true)
  end
  return { tag = "Persist", kind = kind, data = self:expression() }
end

function M.WAIT(self)
  return { tag = "Wait", seconds = self:expression() }
end

function M.RETURN(self)
  return { tag = "Return", value = not self:finished() and self:expression() or nil }
end

function M.FAIL(self)
  return { tag = "Fail", value = self:expression() }
end

return M
