-- From text to tokens, line by line: LPeg recognises the words, numbers, strings
-- and signs; brackets join physical lines into one logical line. Each logical
-- line has its indentation and its tokens; blocks are `grammar`'s matter.

local lpeg = require "lpeg"
local strings = require "orchlua.dsl.strings"
local words = require "orchlua.dsl.words"

local P, R, S, C, Cc, Cp = lpeg.P, lpeg.R, lpeg.S, lpeg.C, lpeg.Cc, lpeg.Cp

local M = {}

---@class orchlua.Token
---@field type "name"|"number"|"string"|"sign"|"label"|"end"
---@field value any      a name, a number's text, a sign; a string's parts (text and token lists)
---@field pos integer
---@field stop integer

---@class orchlua.Line
---@field pos integer
---@field indent integer?    columns of white space before it; nil for a heading
---@field tokens orchlua.Token[]?
---@field good boolean?      its tokens are in order
---@field tabbed boolean?    its indentation holds a tab
---@field heading string?    the text of a `## …` line
---@field stop integer?      a heading's end

local letter = R("az", "AZ", "__")
local digits = R "09" ^ 1
local word = C(letter * (letter + R "09") ^ 0)
local number = C(digits * (P "." * digits) ^ -1 * (S "eE" * S "+-" ^ -1 * digits) ^ -1)
-- `?.` before a digit is the `?` of `c ?.5 : 1`.
local sign = C(P "=>" + "==" + "!=" + "<=" + ">=" + "&&" + "||" + P "?." * -R "09" + S "+-*/%<>=!.,:?()[]{}")
-- Where the next token of a line begins, its text, its end and its type; no more than the first when it is none of these.
local lexeme = S " \t" ^ 0 * Cp() * (word * Cp() * Cc "name" + number * Cp() * Cc "number" + sign * Cp() * Cc "sign" + true)
local comment = P "#" * (1 - P "\n") ^ 0
local blank = S " \t" ^ 0 * comment ^ -1 * Cp()
local heading = P "##" * -P "#" * S " \t" ^ 0 * -S " \t\r\v\f\n" * C((1 - P "\n") ^ 1) * Cp()

-- A line that begins as a statement does, inside open brackets: they were never
-- closed. Neither a key (`IF : 1`) nor a call (`APPEND (list, x)`) begins so.
local keyword = P "ELSE" + "CASE"
for _, statement in ipairs(words.statements) do keyword = keyword + statement end
local statement_line = P "\n" * S " \t" ^ 0 * -(P "APPEND" * S " \t" ^ 0 * "(") * keyword * S " \t" ^ 1 * -S "=:,}"

local ERRORS_AT_MOST = 100

local Lexer = {}
Lexer.__index = Lexer
for name, method in pairs(strings) do Lexer[name] = method end

function Lexer:error(pos, stop, message, hint)
  self.failed = true
  if #self.diagnostics >= ERRORS_AT_MOST then return end
  self.diagnostics[#self.diagnostics + 1] = { severity = "error", pos = pos, stop = stop, message = message, hint = hint }
end

-- Tokens ----------------------------------------------------------------------

-- What stands in other languages for something that is written otherwise here.
local straight = 'strings are written in straight quotes: "…"'
local foreign = {
  [";"] = "a statement ends with its line", ["`"] = 'strings are written "…", with {{ }} in them', ["$"] = "names have no `$`",
  ["&"] = "`AND` or `&&` joins conditions", ["|"] = "`OR` or `||` joins conditions", ["^"] = "a power is written POW(x, 2)",
  ["“"] = straight, ["”"] = straight, ["„"] = straight, ["‘"] = straight, ["’"] = straight, ["«"] = straight,
}
local invisible = { ["\u{A0}"] = "U+00A0", ["\u{200B}"] = "U+200B", ["\u{FEFF}"] = "U+FEFF", ["\u{202F}"] = "U+202F", ["\u{3000}"] = "U+3000" }

local function shown(char)
  return char:find "%c" and ("\\x%02X"):format(char:byte()) or invisible[char] or char
end

-- A character that begins no token. The first of a line is reported.
function Lexer:strange(pos)
  local bad = self.text:match("^[\194-\244][\128-\191]*", pos) or self.text:sub(pos, pos)
  local letters = #bad > 1 and not foreign[bad] and not invisible[bad]
  local stop = letters and self.text:match("^[\128-\255%w_]*()", pos) or pos + #bad
  if not self.failed then
    local hint = foreign[bad] or invisible[bad] and "it looks like a space and is none"
      or letters and "names are made of the letters a to z, digits and `_`" or nil
    self:error(pos, pos + #bad, ("unexpected character `%s`"):format(shown(bad)), hint)
  end
  return { type = "sign", value = "?!", pos = pos, stop = stop }, stop
end

--- The token at a position, and the position behind it.
function Lexer:token(pos)
  local start, value, stop, type = lexeme:match(self.text, pos)
  if value then return { type = type, value = value, pos = start, stop = stop }, stop end
  local char = self.text:sub(start, start)
  if char == '"' or char == "'" then return self:string(start) end
  return self:strange(start)
end

--- The position of the next token inside brackets, where line ends are white space;
--- nil when a line that begins as a statement does comes first, or any with `one_line`.
function Lexer:skip_lines(pos, one_line)
  while true do
    pos = blank:match(self.text, pos)
    if self.text:sub(pos, pos) ~= "\n" then return pos end
    if one_line or statement_line:match(self.text, pos) then return nil end
    pos = pos + 1
  end
end

-- Brackets --------------------------------------------------------------------

local opening = { ["("] = ")", ["["] = "]", ["{"] = "}" }
local closed_by = { [")"] = "(", ["]"] = "[", ["}"] = "{" }

-- The brackets that are open in a logical line, and how many of each kind.
local function no_brackets()
  return { ["("] = 0, ["["] = 0, ["{"] = 0, unfit = false }
end

-- Reports a bracket that does not fit those that are open. One that begins a line and
-- closes what was given up (a block in braces) was reported where that was opened.
function Lexer:unfit(open, token)
  open.unfit = true
  local last = open[#open]
  if not last and token.pos == self.code and self.given_up[closed_by[token.value]] then
    self.failed = true
    return
  end
  if not last then return self:error(token.pos, token.stop, ("`%s` closes nothing"):format(token.value)) end
  self:error(token.pos, token.stop, ("expected `%s` before `%s`"):format(opening[last.value], token.value),
    ("it closes the `%s` of line %d"):format(last.value, (self.source:position(last.pos))))
end

-- Keeps the brackets that are open. The first of a line that does not fit is
-- reported; behind it they are only counted, to find the line's end.
function Lexer:bracket(open, token)
  if opening[token.value] then
    open[#open + 1] = token
    open[token.value] = open[token.value] + 1
    return
  end
  local opens = closed_by[token.value]
  if not opens then return end
  if not open.unfit and (#open == 0 or open[#open].value ~= opens) then self:unfit(open, token) end
  if open[opens] == 0 then return end
  repeat
    local last = table.remove(open)
    open[last.value] = open[last.value] - 1
  until last.value == opens
end

-- Lines -------------------------------------------------------------------------

-- The position of the next token of a logical line; nil at its end.
function Lexer:next_token(pos, open)
  pos = #open > 0 and self:skip_lines(pos) or blank:match(self.text, pos)
  if pos <= #self.text and self.text:sub(pos, pos) ~= "\n" then return pos end
end

-- The next token of a logical line, and the position behind it; nil at the line's end.
function Lexer:line_token(pos, open)
  local start, value, stop, type = lexeme:match(self.text, pos)
  if value then return { type = type, value = value, pos = start, stop = stop }, stop end
  local at = self:next_token(start, open)
  if at then return self:token(at) end
end

-- One logical line from `pos`; gives its tokens and where it ends.
function Lexer:logical_line(pos)
  local tokens, open, stop = {}, no_brackets(), pos
  local token, after = self:line_token(pos, open)
  while token do
    stop = after
    if token.type == "sign" then self:bracket(open, token) end
    if token.open then open.unfit = true end -- the rest of its line is given up, brackets and all
    local before = tokens[#tokens]
    tokens[#tokens + 1] = token
    if token.value == "BRANCH" and token.type == "name" and (not before or before.value == ":") then
      stop = self:label(stop, tokens)
    end
    token, after = self:line_token(stop, open)
  end
  local last = open[#open]
  if last and not open.unfit then
    self.given_up[last.value] = true
    self:error(last.pos, last.stop, ("`%s` is never closed"):format(last.value), ("a `%s` is missing"):format(opening[last.value]))
  end
  local finish = self.text:match("^[ \t]*()", stop)
  tokens[#tokens + 1] = { type = "end", pos = finish, stop = finish }
  return tokens, self.text:find("\n", stop, true) or #self.text + 1
end

-- A tab is as wide as eight spaces, for what is wrong to be wrong once.
local function width(indentation)
  local columns = 0
  for char in indentation:gmatch "." do
    columns = char == "\t" and (columns // 8 + 1) * 8 or columns + 1
  end
  return columns
end

-- The logical line whose first line starts at `start` and its text at `code`; and
-- where the next one starts.
function Lexer:line(start, code)
  self.failed, self.code = false, code
  local indentation = self.text:sub(start, code - 1)
  local tab = indentation:find("\t", 1, true)
  if tab then self:error(start + tab - 1, start + tab, "a tab in the indentation", "indent with spaces") end
  local tokens, stop = self:logical_line(code)
  return { indent = tab and width(indentation) or #indentation, pos = code, tokens = tokens, good = not self.failed, tabbed = tab ~= nil }, stop + 1
end

--- Cuts a source into logical lines.
---@param source orchlua.Source
---@param diagnostics table[]
---@return orchlua.Line[]
function M.lines(source, diagnostics)
  local self = setmetatable({ source = source, text = source.text, diagnostics = diagnostics, templates = 0, multiline = true, given_up = {} }, Lexer)
  local text, lines, pos = source.text, {}, 1
  while pos <= #text do
    local title, after = heading:match(text, pos)
    if title then
      lines[#lines + 1] = { heading = title:match "^.*%S", pos = pos, stop = after }
      pos = after + 1
    else
      local code = text:match("^[ \t]*()", pos)
      local stop = blank:match(text, code)
      if stop > #text or text:sub(stop, stop) == "\n" then
        pos = stop + 1
      else
        lines[#lines + 1], pos = self:line(pos, code)
      end
    end
  end
  return lines
end

return M
