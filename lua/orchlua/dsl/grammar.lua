-- From logical lines to statements: indentation makes the blocks, the first word
-- of a line says which statement it is. A line that is wrong is reported once and
-- something stands in for it; what is indented under it is still read, to find its
-- errors too. Only headers are parsed under `pcall`, so that nesting costs no C stack.

local cursors = require "orchlua.dsl.cursor"
local lexer = require "orchlua.dsl.lexer"
local recovery = require "orchlua.dsl.recovery"
local statements = require "orchlua.dsl.statement"

local M = {}

local DEEPEST = 180
local ERRORS_AT_MOST = 100

---@class orchlua.Parser
---@field source orchlua.Source
---@field lines orchlua.Line[]
---@field next integer    the line that is read next
---@field depth integer   how deep blocks are nested
---@field outermost integer   the indentation of the program's first line
local Parser = {}
Parser.__index = Parser

-- Reports an error of a line; a line has one.
function Parser:report(line, diagnostic)
  if not line.good then return end
  line.good = false
  if #self.diagnostics >= ERRORS_AT_MOST then return end
  diagnostic.severity = "error"
  self.diagnostics[#self.diagnostics + 1] = diagnostic
end

-- Lines -----------------------------------------------------------------------------

-- The number of the next line that is no heading.
function Parser:ahead()
  local line = self.lines[self.next]
  return line and line.heading and line.ahead or self.next
end

-- Its indentation; nil at the end.
function Parser:indent_ahead()
  local line = self.lines[self:ahead()]
  return line and line.indent
end

-- The first heading is the program's title; the others name phases.
function Parser:heading(line, block)
  if not self.title then
    self.title = line.heading
  else
    block[#block + 1] = { tag = "Heading", text = line.heading, pos = line.pos, stop = line.stop }
  end
end

-- Takes the headings up to a line into a block.
function Parser:headings(upto, block)
  for i = self.next, upto - 1 do self:heading(self.lines[i], block) end
  self.next = upto
end

-- Passes over the lines that are indented deeper.
function Parser:skip(indent)
  while (self:indent_ahead() or 0) > indent do self.next = self:ahead() + 1 end
end

-- Blocks ----------------------------------------------------------------------------

-- Reports a line whose indentation fits nowhere. `first` is the line of the
-- statement before: what comes back from deeper lines was indented wrong, not too deep.
function Parser:misplaced(line, first)
  local returned = first == nil
  for i = first or self.next, self.next - 1 do
    returned = returned or (self.lines[i].indent or 0) > line.indent
  end
  local token, following = line.tokens[1], line.tokens[2]
  self:report(line, {
    pos = line.pos, stop = token.stop,
    message = returned and "this indentation matches no open block" or "unexpected indentation",
    hint = recovery.continued(token, following) or returned and "indent it like the statement it follows" or "only the lines under a `:` are indented deeper",
  })
end

-- Reads the statements at one indentation into a block. A heading goes where the line
-- after it goes, and to the program where none does.
function Parser:block(indent, block)
  local first = self.next
  while self.next <= #self.lines do
    local line = self.lines[self.next]
    if line.heading then
      if (self:indent_ahead() or self.outermost) < indent then break end
      self:headings(self:ahead(), block)
    elseif line.indent < indent then
      break
    elseif line.indent > indent then
      self:misplaced(line, first)
      self:deeper(indent, block)
    else
      first = self.next
      self.next = self.next + 1
      self:line(line, block)
    end
  end
  return block
end

-- The lines that are deeper than a line, as a block; nil when there are none.
function Parser:deeper(indent, block)
  local ahead = self:indent_ahead()
  if not ahead or ahead <= indent then return nil end
  self.depth = self.depth + 1
  if self.depth > DEEPEST then
    local line = self.lines[self:ahead()]
    self:report(line, {
      pos = line.pos, stop = line.tokens[1].stop, message = ("blocks nested more than %d deep"):format(DEEPEST), hint = "a sub-run may hold a part of it",
    })
    self:skip(indent)
  else
    block = self:block(ahead, block or {})
  end
  self.depth = self.depth - 1
  return block or {}
end

-- Whether only comments stand, deeper, where a block should be: an empty block.
function Parser:comments_only(line)
  local text, at = self.source.text, line.tokens[#line.tokens].pos
  while true do
    local start, indent, first = text:match("^[^\n]*\n()([ \t]*)(.?)", at)
    if not start or first ~= "#" and first ~= "\n" then return false end
    if first == "#" and #indent > line.indent then return true end
    at = start
  end
end

-- The block behind the `:` of a header: the one statement on the same line, or the deeper lines.
function Parser:body(cursor, what)
  if not cursor:finished() then return self:inline(cursor) end
  local line = cursor.line
  local block = self:deeper(line.indent)
  if not block and not self:comments_only(line) then
    local stop = cursor:peek().pos
    self:report(line, {
      pos = stop, stop = stop + 1, message = ("expected a block after %s"):format(what), hint = "indent the statements of the block under it",
    })
  end
  return block or {}
end

function Parser:inline(cursor)
  local block, depth = {}, self.depth
  self.depth = depth + 1
  if self.depth <= DEEPEST then
    self:statement(cursor, block, true)
  else
    local token = cursor:peek()
    self:report(cursor.line, { pos = token.pos, stop = token.stop, message = ("blocks nested more than %d deep"):format(DEEPEST) })
  end
  self.depth = depth
  return block
end

-- Statements --------------------------------------------------------------------------

-- Parses a header with a function of `statement`; nil when it is wrong, which is reported.
function Parser:attempt(line, parse, ...)
  if not line.good then return nil end
  local ok, result, opened = pcall(parse, ...)
  if ok then return result, opened end
  if type(result) ~= "table" or not result.syntax then error(result, 0) end
  self:report(line, result)
  return nil
end

-- A hint where a `:` stands behind a statement: behind the name of a field of an EVENT its braces were forgotten.
local function colon_hint(node)
  if node.tag ~= "Event" or not node.data or node.data.tag ~= "Name" then return "this statement has no block" end
  return ("the data of an event stands in braces: EVENT %s {…}"):format(node.name)
end

-- Complains of what is left on a line behind a statement.
local function end_of_line(cursor, node)
  if cursor:finished() then return end
  local found, hint = cursor:peek(), cursor:keyword_hint()
  if found.value == "=" then hint = "`==` compares" end
  if found.value == "NOT" and cursor:peek(1).value == "IN" then hint = "write `NOT a IN b`" end
  if found.value == ":" then hint = colon_hint(node) end
  hint = recovery.comment(found, cursor:peek(1)) or hint
  cursor:fail(("expected the end of the line, and found %s"):format(cursors.describe(found)), hint, found)
end

local owners = { ELSE = "IF", ELIF = "IF", CASE = "SWITCH", DEFAULT = "SWITCH", TIMEOUT = "AWAIT", CATCH = "TRY", FINALLY = "TRY" }

-- The header of a statement, whose first word is taken.
local function header(cursor, token, text)
  local parse = token.type == "name" and statements[token.value]
  if token.type == "name" and owners[token.value] then
    local owner = owners[token.value]
    cursor:fail(("%s without its %s"):format(token.value, owner), ("it stands at the indentation of the %s it belongs to"):format(owner), token)
  end
  if type(parse) ~= "function" then recovery.unknown(cursor, token, text) end
  local node, opened = parse(cursor, token)
  node.pos, node.stop = token.pos, node.stop or cursor:last_stop()
  if not opened then end_of_line(cursor, node) end
  return node, opened
end

--- Reads the line that begins a statement, with its blocks and clauses.
function Parser:line(line, block)
  local cursor = cursors.new(line.tokens)
  cursor.line = line
  self:statement(cursor, block, false)
end

function Parser:statement(cursor, block, inline)
  local line, token = cursor.line, cursor:take()
  local node, opened = self:attempt(line, header, cursor, token, self.source.text)
  if not node then return self:recover(line, token, block) end
  block[#block + 1] = node
  local whole = true
  if opened and node.tag == "Switch" then
    whole = self:cases(cursor, node, block)
  elseif opened then
    opened.owner[opened.field] = self:body(cursor, opened.what)
  end
  if statements.clauses[node.tag] and not inline then whole = self:clauses(line.indent, node, block) and whole end
  if whole then self:complete(line, node) end
end

-- What must be there when a statement is read with all its clauses.
function Parser:complete(line, node)
  if node.tag == "Try" and not node.catch and not node.finally then
    self:report(line, { pos = node.pos, stop = node.stop, message = "a TRY has a CATCH, a FINALLY or both", hint = "put CATCH e: under its block" })
  elseif node.tag == "Switch" and #node.cases == 0 and not node.default then
    self:report(line, { pos = node.subject.pos, stop = node.subject.stop, message = "expected CASE under SWITCH", hint = 'CASE "value": …' })
  end
end

-- A wrong statement: its block and clauses are read, and something stands for it.
function Parser:recover(line, token, block)
  local keyword = recovery.meant(token)
  local stand_in = { tag = recovery.tags[keyword] or "None", clauses = {}, cases = {}, pos = token.pos, stop = token.stop }
  local bodies = {}
  if stand_in.tag == "Switch" then
    bodies[1] = {}
    self:case_lines(line, stand_in, bodies[1], bodies)
  else
    bodies[1] = self:deeper(line.indent)
    if statements.clauses[stand_in.tag] then self:clauses(line.indent, stand_in, nil, bodies) end
  end
  recovery.stand_in(block, keyword, line.tokens, bodies)
end

-- Clauses -----------------------------------------------------------------------------

-- Whether a line goes on with a statement: its first word is, or seems to mean, one of the clauses.
local function continues(line, indent, clauses)
  if not line or line.indent ~= indent then return nil end
  local word = line.tokens[1]
  if word.type ~= "name" or statements[word.value] then return nil end
  return clauses[recovery.meant(word)]
end

local function append(list, more)
  for _, item in ipairs(more) do list[#list + 1] = item end
end

local function clause_header(cursor, node, token, parse, text)
  if not owners[token.value] then recovery.unknown(cursor, token, text) end
  return parse(cursor, node, token)
end

-- The clauses at an indentation, into their statement. The blocks of those that are
-- wrong go to `bodies`, or stand in the block for themselves. True when none is wrong.
function Parser:clauses(indent, node, block, bodies)
  local whole, clauses = true, statements.clauses[node.tag]
  while true do
    local ahead = self:ahead()
    local line = self.lines[ahead]
    local parse = continues(line, indent, clauses)
    if not parse then return whole end
    local body = {}
    self:headings(ahead, body)
    self.next = ahead + 1
    local cursor = cursors.new(line.tokens)
    cursor.line = line
    local token = cursor:take()
    local opened = self:attempt(line, clause_header, cursor, node, token, parse, self.source.text)
    append(body, opened and self:body(cursor, opened.what) or self:deeper(indent) or {})
    whole = whole and opened ~= nil
    if opened then opened.owner[opened.field] = body end
    if bodies then bodies[#bodies + 1] = body elseif not opened then recovery.stand_in(block, token.value, line.tokens, { body }) end
  end
end

-- The CASE lines under the header of a SWITCH.
function Parser:cases(cursor, node, block)
  local line = cursor.line
  if cursor:finished() then
    return self:case_lines(line, node, block)
  end
  local found = cursor:peek()
  self:report(line, { pos = found.pos, stop = found.stop, message = "the CASE lines stand under SWITCH", hint = "start a new line, indented deeper" })
  return false
end

-- CASE lines stand deeper than their SWITCH or at its indentation. True when none is wrong.
function Parser:case_lines(line, node, block, bodies)
  local indent, whole = math.max(self:indent_ahead() or 0, line.indent), true
  while true do
    whole = self:clauses(indent, node, block, bodies) and whole
    local ahead = self:ahead()
    local other = self.lines[ahead]
    if indent == line.indent or not other or other.indent < indent then return whole end
    whole = false
    self:headings(ahead, block)
    local found = other.tokens[1]
    self:report(other, { pos = found.pos, stop = found.stop, message = ("expected CASE or DEFAULT in a SWITCH, and found %s"):format(cursors.describe(found)) })
    self.next = ahead + 1
    self:line(other, block)
  end
end

-- Programs ------------------------------------------------------------------------------

-- Tells each heading which line comes next that is none.
local function look_ahead(lines)
  local ahead = #lines + 1
  for i = #lines, 1, -1 do
    if lines[i].heading then lines[i].ahead = ahead else ahead = i end
  end
end

-- The errors in the order of the text, as many as are of use.
local function in_order(found, diagnostics)
  for i, diagnostic in ipairs(found) do diagnostic.order = i end
  table.sort(found, function(a, b)
    if a.pos ~= b.pos then return a.pos < b.pos end
    return a.order < b.order
  end)
  for i = 1, math.min(#found, ERRORS_AT_MOST) do
    found[i].order = nil
    diagnostics[#diagnostics + 1] = found[i]
  end
end

-- The statements of the whole text. What comes back to less than the first line's
-- indentation is wrong, and read all the same.
function Parser:program()
  local body = {}
  self.outermost = self:indent_ahead() or 0
  self:block(self.outermost, body)
  while self.next <= #self.lines do
    self:headings(self:ahead(), body)
    local line = self.lines[self.next]
    self:misplaced(line)
    self:block(line.indent, body)
  end
  return body
end

--- Parses a program. With errors the tree is what could be made of it.
---@param source orchlua.Source
---@param diagnostics table[]   errors are appended: `{severity, pos, stop, message, hint}`
---@return orchlua.Node Program
function M.parse(source, diagnostics)
  local valid, at = utf8.len(source.text)
  if not valid then
    diagnostics[#diagnostics + 1] = { severity = "error", pos = at, stop = at + 1, message = "this byte is not UTF-8", hint = "save the file as UTF-8" }
    return { tag = "Program", pos = 1, stop = 1, body = {} }
  end
  local found, self = {}, setmetatable({ source = source, next = 1, depth = 0, diagnostics = {} }, Parser)
  self.lines = lexer.lines(source, found)
  look_ahead(self.lines)
  local body = self:program()
  append(found, self.diagnostics)
  in_order(found, diagnostics)
  return { tag = "Program", pos = 1, stop = #source.text + 1, title = self.title, body = body }
end

return M
