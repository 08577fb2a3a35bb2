-- From logical lines to statements: indentation makes the blocks, the first word
-- of a line says which statement it is. A line that is wrong is reported and
-- passed over; what is indented under it is still read, to find its errors too.

local cursors = require "orchlua.dsl.cursor"
local lexer = require "orchlua.dsl.lexer"
local nearest = require "orchlua.nearest"
local statements = require "orchlua.dsl.statement"
local words = require "orchlua.dsl.words"

local M = {}

local DEEPEST = 180
local ERRORS_AT_MOST = 100

---@class orchlua.Parser
---@field lines table[]
---@field next integer    the line that is read next
---@field depth integer   how deep blocks are nested
local Parser = {}
Parser.__index = Parser

function Parser:report(diagnostic)
  if #self.diagnostics >= ERRORS_AT_MOST then return end
  diagnostic.severity = "error"
  self.diagnostics[#self.diagnostics + 1] = diagnostic
end

-- Headings ------------------------------------------------------------------------

-- The indentation of the next line that is no heading; nil at the end.
function Parser:indent_ahead()
  for i = self.next, #self.lines do
    if self.lines[i].indent then return self.lines[i].indent end
  end
end

-- The first heading is the program's title; the others name phases.
function Parser:heading(line)
  if not self.title then
    self.title = line.heading
    return nil
  end
  return { tag = "Heading", text = line.heading, pos = line.pos, stop = line.stop }
end

-- Blocks --------------------------------------------------------------------------

function Parser:misplaced(line, returned)
  self:report {
    pos = line.pos, stop = line.tokens[1].stop,
    message = returned and "this indentation matches no open block" or "unexpected indentation",
    hint = returned and "indent it like the statement it follows" or "only the lines under a `:` are indented deeper",
  }
end

-- The statements at one indentation.
function Parser:block(indent)
  local block, deepest = {}, indent
  while self.next <= #self.lines do
    local line = self.lines[self.next]
    if line.heading then
      local ahead = self:indent_ahead()
      if ahead and ahead < indent then break end
      self.next = self.next + 1
      block[#block + 1] = self:heading(line)
    elseif line.indent < indent then
      break
    elseif line.indent > indent then
      self:misplaced(line, line.indent < deepest)
      self:block(line.indent)
    else
      local first = self.next
      self.next = self.next + 1
      block[#block + 1] = self:line(line)
      deepest = self:deepest(first)
    end
  end
  return block
end

-- The deepest indentation of the lines read since `first`: what comes back from
-- there to no open block was indented wrong, not too deep.
function Parser:deepest(first)
  local most = 0
  for i = first, self.next - 1 do most = math.max(most, self.lines[i].indent or 0) end
  return most
end

-- The block under a line, deeper than it; nil when there is none.
function Parser:deeper(indent)
  local ahead = self:indent_ahead()
  if not ahead or ahead <= indent then return nil end
  return self:block(ahead)
end

-- One logical line and its block; nil when it is wrong.
function Parser:line(line)
  if not line.good then
    self:deeper(line.indent)
    return nil
  end
  local cursor = cursors.new(line.tokens)
  cursor.parser, cursor.line, cursor.indent = self, line, line.indent
  local depth = self.depth
  local ok, result = pcall(cursor.statement, cursor)
  self.depth = depth
  if ok then return result end
  if type(result) ~= "table" or not result.syntax then error(result, 0) end
  self:report(result)
  if not cursor.opened then self:deeper(line.indent) end
  return nil
end

-- What a statement's parser asks for --------------------------------------------------

local Cursor = cursors.Cursor

--- The block behind a statement's `:`: the one statement on the same line, or the
--- deeper lines after it.
---@param what string   of which statement, for messages
function Cursor:block(what)
  self:expect(":", "after " .. what)
  local parser = self.parser
  parser.depth = parser.depth + 1
  if parser.depth > DEEPEST then self:fail(("blocks nested more than %d deep"):format(DEEPEST)) end
  local block
  if self:finished() then
    self.opened = true
    block = parser:deeper(self.indent)
    if not block and not self:comments_only() then
      self:fail(("expected a block after %s"):format(what), "indent the statements of the block under it")
    end
    block = block or {}
  else
    self.inline = true
    block = { self:statement() }
  end
  parser.depth = parser.depth - 1
  return block
end

-- Whether only comments stand, deeper, where the block should be: an empty block.
function Cursor:comments_only()
  local text = self.parser.source.text
  local at = self.tokens[#self.tokens].pos
  while true do
    local line_start, indent, first = text:match("^[^\n]*\n()( *)(.?)", at)
    if not line_start then return false end
    if first == "#" and #indent > self.indent then return true end
    if first ~= "#" and first ~= "\n" then return false end
    at = line_start
  end
end

--- Goes on with a clause of this statement on the next line, such as ELSE: true
--- when that line, at this indentation, begins with the word.
function Cursor:clause(word)
  local line = self.parser.lines[self.parser.next]
  if self.inline_outer or not line or line.heading or line.indent ~= self.indent or not line.good then return false end
  local first = line.tokens[1]
  if first.type ~= "name" or first.value ~= word then return false end
  self.parser.next = self.parser.next + 1
  self.tokens, self.at, self.line, self.opened = line.tokens, 2, line, false
  return true
end

local commands = {}
for _, word in ipairs(words.statements) do commands[#commands + 1] = word end
for _, word in ipairs(words.clauses) do commands[#commands + 1] = word end

local function clause_alone(self, token)
  local owner = { ELSE = "IF", ELIF = "IF", CASE = "SWITCH", DEFAULT = "SWITCH", TIMEOUT = "AWAIT", CATCH = "TRY", FINALLY = "TRY" }
  self:fail(("%s without its %s"):format(token.value, owner[token.value]),
    ("it stands at the indentation of the %s it belongs to"):format(owner[token.value]), token)
end

local function unknown_statement(self, token)
  if token.type ~= "name" then
    self:fail(("expected a statement, and found %s"):format(cursors.describe(token)), nil, token)
  end
  local upper = token.value:upper()
  if token.value ~= upper and words.reserved[upper] then
    self:fail(("`%s` is no statement"):format(token.value), ("keywords are upper case: %s"):format(upper), token)
  end
  local following = self:peek()
  if following.value == "=" then
    self:fail(("an assignment begins with a keyword"), ("STATE %s = … declares it, UPDATE %s = … changes it"):format(token.value, token.value), token)
  end
  self:fail(("`%s` is no statement"):format(token.value), nearest.hint(token.value, commands)
    or "a statement begins with a keyword: STATE, EVENT, IF, …", token)
end

--- Parses a statement; nothing may be left behind it on its line.
function Cursor:statement()
  local token = self:take()
  local parse = token.type == "name" and statements[token.value]
  if not parse then
    for _, word in ipairs(words.clauses) do
      if token.value == word and token.type == "name" then clause_alone(self, token) end
    end
    unknown_statement(self, token)
  end
  local outer = self.inline_outer
  self.inline_outer = self.inline
  local node = parse(self, token)
  self.inline_outer = outer
  node.pos, node.stop = token.pos, node.stop or self:last_stop()
  if not self:finished() then
    local found = self:peek()
    self:fail(("expected the end of the line, and found %s"):format(cursors.describe(found)),
      found.value == "=" and "`==` compares" or nil, found)
  end
  return node
end

--- Parses a program.
---@param source orchlua.Source
---@param diagnostics table[]   errors are appended: `{severity, pos, stop, message, hint}`
---@return orchlua.Node Program
function M.parse(source, diagnostics)
  if not utf8.len(source.text) then
    local _, at = utf8.len(source.text)
    diagnostics[#diagnostics + 1] = { severity = "error", pos = at, stop = at + 1, message = "this byte is not UTF-8" }
    return { tag = "Program", pos = 1, stop = 1, body = {} }
  end
  local self = setmetatable({ source = source, diagnostics = diagnostics, next = 1, depth = 0 }, Parser)
  self.lines = lexer.lines(source, diagnostics)
  local first = self:indent_ahead()
  local body = self:block(first or 0)
  while self.next <= #self.lines do
    self:misplaced(self.lines[self.next], true)
    table.move(self:block(self:indent_ahead() or 0), 1, 100000, #body + 1, body)
  end
  return { tag = "Program", pos = 1, stop = #source.text + 1, title = self.title, body = body }
end

return M
