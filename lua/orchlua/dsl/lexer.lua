-- From text to tokens, line by line: LPeg recognises the words, numbers, strings
-- and signs; brackets join physical lines into one logical line. Each logical
-- line has its indentation and its tokens; blocks are `grammar`'s matter.

local lpeg = require "lpeg"

local P, R, S, C, Cp = lpeg.P, lpeg.R, lpeg.S, lpeg.C, lpeg.Cp

local M = {}

---@class orchlua.Token
---@field type "name"|"number"|"string"|"sign"|"label"|"end"
---@field value any      a name, a number's text, a sign; a string's parts (text and token lists)
---@field pos integer
---@field stop integer

local letter = R("az", "AZ", "__")
local word = C(letter * (letter + R "09") ^ 0) * Cp()
local digits = R "09" ^ 1
local number = C(digits * (P "." * digits) ^ -1 * (S "eE" * S "+-" ^ -1 * digits) ^ -1) * Cp()
local sign = C(P "=>" + "==" + "!=" + "<=" + ">=" + "&&" + "||" + "?." + S "+-*/%<>=!.,:?()[]{}") * Cp()
local blank = (S " \t" + P "#" * (1 - P "\n") ^ 0) ^ 0 * Cp()
local blank_lines = (S " \t\n" + P "#" * (1 - P "\n") ^ 0) ^ 0 * Cp()
local heading = P "##" * -P "#" * S " \t" ^ 0 * C((1 - P "\n") ^ 0) * Cp()

local Lexer = {}
Lexer.__index = Lexer

local DEEPEST_TEMPLATE = 40

function Lexer:error(pos, stop, message, hint)
  self.diagnostics[#self.diagnostics + 1] = { severity = "error", pos = pos, stop = stop, message = message, hint = hint }
end

-- Strings ---------------------------------------------------------------------

local escapes = { n = "\n", t = "\t", r = "\r", ["\\"] = "\\", ['"'] = '"', ["'"] = "'" }

-- `\uXXXX`, and a pair of them for what lies beyond.
function Lexer:unicode(at)
  local hex = self.text:match("^%x%x%x%x", at)
  if not hex then
    self:error(at - 2, at, "`\\u` takes four hexadecimal digits")
    return "", at
  end
  local code = tonumber(hex, 16)
  if code >= 0xD800 and code < 0xDC00 then
    local low = self.text:match("^\\u(%x%x%x%x)", at + 4)
    local second = low and tonumber(low, 16)
    if second and second >= 0xDC00 and second < 0xE000 then
      return utf8.char(0x10000 + (code - 0xD800) * 0x400 + second - 0xDC00), at + 10
    end
  end
  if code >= 0xD800 and code < 0xE000 then
    self:error(at - 2, at + 4, "half of a surrogate pair is no character")
    return "", at + 4
  end
  return utf8.char(code), at + 4
end

function Lexer:escape(at)
  local char = self.text:sub(at + 1, at + 1)
  if char == "u" then return self:unicode(at + 2) end
  if self.text:sub(at + 1, at + 2) == "{{" then return "{{", at + 3 end
  if escapes[char] then return escapes[char], at + 2 end
  self:error(at, at + 2, ("unknown escape `\\%s`"):format(char:match "%g" or ""), "the escapes are \\n \\t \\r \\\\ \\\" \\' \\uXXXX and \\{{")
  return "", at + 2
end

-- The tokens between `{{` and `}}`.
function Lexer:interpolation(at)
  local start, depth, tokens = at, 0, {}
  self.templates = self.templates + 1
  local pos = at + 2
  while true do
    pos = blank_lines:match(self.text, pos)
    if pos > #self.text then
      self:error(start, start + 2, "`{{` is never closed", "write `\\{{` for two braces that are text")
      break
    end
    if depth == 0 and self.text:sub(pos, pos + 1) == "}}" then pos = pos + 2 break end
    local token
    token, pos = self:token(pos)
    if not token then break end
    if token.value == "{" or token.value == "[" or token.value == "(" then depth = depth + 1 end
    if token.value == "}" or token.value == "]" or token.value == ")" then depth = depth - 1 end
    tokens[#tokens + 1] = token
  end
  self.templates = self.templates - 1
  tokens[#tokens + 1] = { type = "end", pos = pos - 2, stop = pos }
  return { tokens = tokens, pos = start, stop = pos }, pos
end

-- A `"""` string: the first line end goes, and the indentation its lines share.
local function dedent(parts)
  local least
  for i, part in ipairs(parts) do
    if type(part) == "string" then
      local text = i == 1 and "\n" .. part or part
      for indent, at in text:gmatch "\n( *)()" do
        if text:sub(at, at) ~= "\n" then least = math.min(least or #indent, #indent) end
      end
    end
  end
  if parts.first_on_line then least = 0 end
  if not least or least == 0 then return end
  for i, part in ipairs(parts) do
    if type(part) == "string" then
      local text = (i == 1 and "\n" or "") .. part
      text = text:gsub("\n( *)", function(indent) return "\n" .. indent:sub(least + 1) end)
      parts[i] = i == 1 and text:sub(2) or text
    end
  end
end

function Lexer:string(pos)
  local text, quote = self.text, self.text:match('^"""', pos) or self.text:sub(pos, pos)
  local long = #quote == 3
  local parts, buffer, at = {}, {}, pos + #quote
  local plain = long and '^[^"\\{]+' or quote == '"' and '^[^"\\{\n]+' or "^[^'\\{\n]+"
  local function flush()
    if #buffer > 0 then parts[#parts + 1] = table.concat(buffer) end
    buffer = {}
  end
  if long and text:sub(at, at) == "\n" then at = at + 1 else parts.first_on_line = long end
  while true do
    local from, to = text:find(plain, at)
    if from then
      buffer[#buffer + 1] = text:sub(from, to)
      at = to + 1
    end
    if text:sub(at, at + #quote - 1) == quote then break end
    local char = text:sub(at, at)
    if char == "" or (char == "\n" and not long) then
      self:error(pos, pos + #quote, "this string is never closed", not long and "a string over several lines is written \"\"\"…\"\"\"" or nil)
      flush()
      return { type = "string", value = parts, pos = pos, stop = at }, at
    elseif char == "\\" then
      buffer[#buffer + 1], at = self:escape(at)
    elseif text:sub(at, at + 1) == "{{" and self.templates < DEEPEST_TEMPLATE then
      flush()
      parts[#parts + 1], at = self:interpolation(at)
    else
      buffer[#buffer + 1], at = char, at + 1
    end
  end
  flush()
  if long then dedent(parts) end
  return { type = "string", value = parts, pos = pos, stop = at + #quote }, at + #quote
end

-- Tokens ----------------------------------------------------------------------

--- The token at a position, and the position behind it.
function Lexer:token(pos)
  local text = self.text
  local found, stop = word:match(text, pos)
  if found then return { type = "name", value = found, pos = pos, stop = stop }, stop end
  found, stop = number:match(text, pos)
  if found then return { type = "number", value = found, pos = pos, stop = stop }, stop end
  local char = text:sub(pos, pos)
  if char == '"' or char == "'" then return self:string(pos) end
  found, stop = sign:match(text, pos)
  if found then return { type = "sign", value = found, pos = pos, stop = stop }, stop end
  local bad = text:match("^[\194-\244][\128-\191]*", pos) or char
  self:error(pos, pos + #bad, ("unexpected character `%s`"):format(bad:find "%c" and ("\\x%02X"):format(bad:byte()) or bad))
  return { type = "sign", value = "?!", pos = pos, stop = pos + #bad, bad = true }, pos + #bad
end

-- The label of a BRANCH is any text up to the colon, `{{…}}` included.
function Lexer:label(pos, tokens)
  local parts, buffer, at = {}, {}, blank:match(self.text, pos)
  local first = at
  while true do
    local char = self.text:sub(at, at)
    if char == ":" or char == "\n" or char == "" then break end
    if self.text:sub(at, at + 1) == "{{" then
      if #buffer > 0 then parts[#parts + 1] = table.concat(buffer) end
      buffer = {}
      parts[#parts + 1], at = self:interpolation(at)
    else
      buffer[#buffer + 1], at = char, at + 1
    end
  end
  if #buffer > 0 then parts[#parts + 1] = table.concat(buffer) end
  local last = parts[#parts]
  if type(last) == "string" then parts[#parts] = last:match "^(.-)%s*$" end
  if parts[#parts] == "" then parts[#parts] = nil end
  if #parts > 0 then tokens[#tokens + 1] = { type = "label", value = parts, pos = first, stop = at } end
  return at
end

local opening = { ["("] = ")", ["["] = "]", ["{"] = "}" }
local closing = { [")"] = true, ["]"] = true, ["}"] = true }

-- Keeps the brackets that are open; reports one that closes nothing.
function Lexer:bracket(open, token)
  if token.type ~= "sign" then return true end
  if opening[token.value] then
    open[#open + 1] = token
  elseif closing[token.value] then
    local last = open[#open]
    if not last or opening[last.value] ~= token.value then
      self:error(token.pos, token.stop, last and ("expected `%s` before `%s`"):format(opening[last.value], token.value)
        or ("`%s` closes nothing"):format(token.value))
      return false
    end
    open[#open] = nil
  end
  return true
end

-- A keyword at the start of a line inside open brackets: they were never closed.
local starts_statement = P "STATE" + "EVENT" + "UPDATE" + "FOREACH" + "WHILE" + "IF" + "ELSE" + "AWAIT" + "TRACK" + "APPEND" + "PARALLEL" + "RETURN" + "WAIT"
local statement_line = P "\n" * S " \t" ^ 0 * starts_statement * S " \t"

-- One logical line from `pos`; gives its tokens and where it ends.
function Lexer:logical_line(pos)
  local tokens, open, good = {}, {}, true
  while true do
    local after = blank:match(self.text, pos)
    if #open > 0 and self.text:sub(after, after) == "\n" then
      if statement_line:match(self.text, after) then break end
      pos = after + 1
      goto continue
    end
    pos = after
    if pos > #self.text or self.text:sub(pos, pos) == "\n" then break end
    do
      local token
      token, pos = self:token(pos)
      good = self:bracket(open, token) and not token.bad and good
      local before = tokens[#tokens]
      tokens[#tokens + 1] = token
      if token.value == "BRANCH" and token.type == "name" and (not before or before.value == ":") then
        pos = self:label(pos, tokens)
      end
    end
    ::continue::
  end
  if #open > 0 then
    local bracket = open[#open]
    self:error(bracket.pos, bracket.stop, ("`%s` is never closed"):format(bracket.value))
    good = false
  end
  tokens[#tokens + 1] = { type = "end", pos = pos, stop = pos }
  return tokens, pos, good
end

--- Cuts a source into logical lines.
---@param source table
---@param diagnostics table[]
---@return { indent: integer, pos: integer, tokens: orchlua.Token[], good: boolean, heading: string? }[]
function M.lines(source, diagnostics)
  local self = setmetatable({ text = source.text, diagnostics = diagnostics, templates = 0 }, Lexer)
  local text, lines, pos = source.text, {}, 1
  while pos <= #text do
    local start = pos
    local title, after = heading:match(text, pos)
    if title then
      lines[#lines + 1] = { heading = title:match "^(.-)%s*$", pos = pos, stop = after }
      pos = after + 1
    else
      local first = text:match("^[ \t]*()", pos)
      local code = blank:match(text, first)
      if text:sub(code, code) == "\n" or code > #text then
        pos = code + 1
      else
        local before = #diagnostics
        local tab = text:sub(start, first - 1):find("\t", 1, true)
        if tab then self:error(start + tab - 1, start + tab, "a tab in the indentation", "indent with spaces") end
        local tokens, stop, good = self:logical_line(code)
        lines[#lines + 1] = { indent = first - start, pos = code, tokens = tokens, good = good and #diagnostics == before }
        pos = stop + 1
      end
    end
  end
  return lines
end

return M
