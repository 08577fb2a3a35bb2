-- Parses the headers of statements and of their clauses: one function for each
-- keyword, called behind it. It gives the node, and what `opens` gave when a block
-- follows; the block itself is `grammar`'s matter.

local cursors = require "orchlua.dsl.cursor"
local expressions = require "orchlua.dsl.expression"
local words = require "orchlua.dsl.words"

local M = {}

---@class orchlua.Opened
---@field owner table    the node, or the part of one, that the block belongs to
---@field field string   where the block goes in it
---@field what string    what the `:` stands behind, for messages

local no_colon = { ["="] = "`==` compares", ["then"] = "a block begins with `:`", ["do"] = "a block begins with `:`", ["{"] = "a block begins with `:`" }
no_colon.THEN, no_colon.DO = no_colon["then"], no_colon["do"]

-- Takes the `:` that opens a block.
local function opens(self, owner, field, what)
  owner.stop = owner.stop or self:last_stop()
  self:expect(":", "after " .. what, self:finished() and "a block begins with `:`" or no_colon[self:peek().value])
  return { owner = owner, field = field, what = what }
end

-- What may be assigned to: a name, or a path that begins with one.
local function path(self, keyword, tight)
  local token = self:peek()
  if self:finished() or self:is "=" then self:fail(("expected a name after %s, and found %s"):format(keyword, cursors.describe(token))) end
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

local function assignment(keyword, tag)
  return function(self)
    local target = path(self, keyword)
    self:expect("=", "after the name", (self:is "==" or self:is ":") and "`=` assigns" or nil)
    return { tag = tag, target = target, value = self:expression() }
  end
end

M.STATE, M.UPDATE, M.SET = assignment("STATE", "State"), assignment("UPDATE", "Update"), assignment("SET", "Update")

function M.INPUT(self)
  local name = self:name "the input's name"
  if self:is ":" then self:fail("expected `=` or the end of the line, and found `:`", ("INPUT %s = default"):format(name.name)) end
  return { tag = "Input", name = name, default = self:accept "=" and self:expression() or nil }
end

function M.APPEND(self)
  local target = path(self, "APPEND", true)
  if self:finished() then self:fail("expected a value to append", "APPEND list value") end
  if self:is "," or self:is "=" then
    self:fail(("expected a value to append, and found %s"):format(cursors.describe(self:peek())), "APPEND list value, with a space between them")
  end
  return { tag = "Append", target = target, value = self:expression() }
end

function M.BUDGET(self)
  return { tag = "Budget", limits = self:expression() }
end

function M.TRACK(self)
  return { tag = "Track", data = self:expression() }
end

-- Control --------------------------------------------------------------------------

-- A condition and its block, one of those of an IF.
local function clause(self, node, keyword, token)
  local found = { pos = token.pos, cond = self:expression() }
  local opened = opens(self, found, "body", "the condition of " .. keyword)
  node.clauses[#node.clauses + 1] = found
  return opened
end

function M.IF(self, token)
  local node = { tag = "If", clauses = {} }
  local opened = clause(self, node, "IF", token)
  node.stop = opened.owner.stop
  return node, opened
end

function M.WHILE(self)
  local node = { tag = "While", cond = self:expression() }
  return node, opens(self, node, "body", "the condition of WHILE")
end

function M.FOREACH(self)
  if self:is "(" then self:fail("expected the element's name, and found `(`", "FOREACH key, value IN object:") end
  local node = { tag = "Foreach", var = self:name "the element's name" }
  if self:accept "," then node.key, node.var = node.var, self:name "the value's name" end
  self:expect("IN", "after the name", "FOREACH item IN list:")
  node.list = self:expression()
  return node, opens(self, node, "body", "the list of FOREACH")
end

function M.BREAK() return { tag = "Break" } end
function M.CONTINUE() return { tag = "Continue" } end

function M.SWITCH(self)
  local node = { tag = "Switch", subject = self:expression(), cases = {} }
  return node, opens(self, node, "cases", "the value of SWITCH")
end

function M.TRY(self)
  local node = { tag = "Try" }
  return node, opens(self, node, "body", "TRY")
end

-- Side by side -----------------------------------------------------------------------

function M.PARALLEL(self)
  local node = { tag = "Parallel" }
  if self:accept "(" then
    if not self:is "limit" then self:fail(("expected `limit`, and found %s"):format(cursors.describe(self:peek())), "PARALLEL(limit: 3):") end
    self:take()
    self:expect(":", "after `limit`", "PARALLEL(limit: 3):")
    node.limit = self:expression()
    self:accept ","
    self:expect(")", "after the limit")
  end
  return node, opens(self, node, "body", "PARALLEL")
end

function M.BRANCH(self)
  local node, token = { tag = "Branch" }, self:peek()
  if token.type == "label" then
    self:take()
    node.label = expressions.template(self, token)
  end
  return node, opens(self, node, "body", node.label and "the label of BRANCH" or "BRANCH")
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
    parts[#parts + 1] = token.value
    stop = token.stop
    self:take()
  end
  local name = table.concat(parts)
  if not name:find "^[%w_.-]+:[%w_.:-]*[%w_]$" then
    self:fail(("`%s` is no event's name"):format(name), "an event's name has two parts or more, without spaces: agent:status", { pos = first.pos, stop = stop })
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

-- Whose messages an AWAIT takes.
local function source(self)
  local mode = self:accept "ANY" or self:accept "ALL"
  if not mode then
    local value = self:expression()
    return { mode = "one", value = value, pos = value.pos, stop = value.stop }
  end
  self:expect("(", "after " .. mode.value, ("FROM %s(list)"):format(mode.value))
  local value = self:expression()
  self:expect(")", "after the list of agents")
  return { mode = mode.value:lower(), value = value, pos = mode.pos, stop = self:last_stop() }
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
  if self:finished() then return node end
  return node, opens(self, node, "body", "AWAIT")
end

function M.SEND(self)
  if self:is "{" and not self:braces_ahead() then
    return { tag = "Send", options = self:expression() }
  end
  local to = self:postfix(true)
  if self:finished() then self:fail("expected a message after the agent", "SEND agent message") end
  if self:is "," then self:fail("expected a message after the agent, and found `,`", "SEND agent message, with a space between them") end
  return { tag = "Send", to = to, message = self:expression() }
end

function M.SHARE(self)
  local name = self:name "the name of what is shared"
  self:expect("WITH", "after the name", "SHARE findings WITH reviewer")
  return { tag = "Share", name = name, with = self:expression() }
end

-- A bare word is a kind itself; a path, a string or `{{…}}` is evaluated.
local function entity_kind(self)
  local token = self:peek()
  if words.reserved[token.value] then self:name() end
  local kind = self:postfix(true)
  if token.type ~= "name" or kind.tag ~= "Name" then return kind end
  return { tag = "String", value = kind.name, pos = kind.pos, stop = kind.stop }
end

function M.PERSIST(self)
  if self:is "{" and not self:braces_ahead() then self:fail("expected the entity's kind, and found `{`", "PERSIST kind {key: …, data: …}") end
  local kind = entity_kind(self)
  if self:finished() then self:fail("expected the entity's key and data", "PERSIST kind {key: …, data: …}") end
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

-- Clauses -----------------------------------------------------------------------------

local If, Switch, Try, Await = {}, {}, {}, {}

--- For each statement that has clauses, the functions of their keywords: they put what
--- they read into the node.
---@type table<string, table<string, fun(self: orchlua.Cursor, node: orchlua.Node, token: orchlua.Token): orchlua.Opened>>
M.clauses = { If = If, Switch = Switch, Try = Try, Await = Await }

-- Fails when the node has a clause that must be the last, or be there once.
local function unless(self, there, token, message)
  if there then self:fail(message, nil, token) end
end

function If.ELIF(self, node, token)
  unless(self, node.otherwise, token, "ELIF stands before ELSE")
  return clause(self, node, "ELIF", token)
end

function If.ELSE(self, node, token)
  unless(self, node.otherwise, token, "this IF has an ELSE already")
  if self:accept "IF" then return clause(self, node, "ELSE IF", token) end
  if self:is "if" then self:fail("expected `:` after ELSE, and found `if`", "keywords are upper case: ELSE IF") end
  return opens(self, node, "otherwise", "ELSE")
end

function Switch.DEFAULT(self, node, token)
  unless(self, node.default, token, "this SWITCH has a DEFAULT already")
  return opens(self, node, "default", "DEFAULT")
end

function Switch.CASE(self, node, token)
  unless(self, node.default, token, "CASE stands before DEFAULT")
  local case = { pos = token.pos, values = {} }
  repeat case.values[#case.values + 1] = self:expression() until not self:accept ","
  local opened = opens(self, case, "body", "the values of CASE")
  node.cases[#node.cases + 1] = case
  return opened
end

function Try.CATCH(self, node, token)
  unless(self, node.catch, token, "this TRY has a CATCH already")
  unless(self, node.finally, token, "CATCH stands before FINALLY")
  local catch = { pos = token.pos }
  if not self:is ":" then catch.var = self:name "the error's name" end
  local opened = opens(self, catch, "body", "CATCH")
  node.catch = catch
  return opened
end

function Try.FINALLY(self, node, token)
  unless(self, node.finally, token, "this TRY has a FINALLY already")
  return opens(self, node, "finally", "FINALLY")
end

function Await.TIMEOUT(self, node, token)
  unless(self, node.on_timeout, token, "this AWAIT has a TIMEOUT block already")
  return opens(self, node, "on_timeout", "TIMEOUT")
end

return M
