-- The literals of text: `"…"`, `'…'`, `"""…"""` and the labels of branches. Each
-- is read into parts: text, and the tokens of what stands between `{{` and `}}`.
-- The functions are methods of the lexer, which reads those tokens.

local M = {}

local DEEPEST = 180

local escapes = { n = "\n", t = "\t", r = "\r", ["\\"] = "\\", ['"'] = '"', ["'"] = "'" }

-- Escapes ---------------------------------------------------------------------

-- `\uXXXX`, and a pair of them for what lies beyond.
function M:unicode(at)
  local hex = self.text:match("^%x%x%x%x", at)
  if not hex then
    self:error(at - 2, at, "`\\u` takes four hexadecimal digits", "for example \\u00e9")
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
    self:error(at - 2, at + 4, "half of a surrogate pair is no character", "a character beyond \\uffff is a pair: \\ud83d\\ude00")
    return "", at + 4
  end
  return utf8.char(code), at + 4
end

-- What the escape at a position stands for, and the position behind it.
function M:escape(quote, at)
  local char = self.text:sub(at + 1, at + 1)
  if char == "u" then return self:unicode(at + 2) end
  if self.text:sub(at + 1, at + 2) == "{{" then return "{{", at + 3 end
  if escapes[char] then return escapes[char], at + 2 end
  if char == "" or char == "\n" and #quote < 3 then return "", at + 1 end -- the string is not closed either, and that is reported
  local whole = self.text:match("^" .. utf8.charpattern, at + 1)
  self:error(at, at + 1 + #whole, ("unknown escape `\\%s`"):format(whole:match "^%g+$" or whole:match "^[\128-\255]+$" or ""),
    "the escapes are \\n \\t \\r \\\\ \\\" \\' \\uXXXX and \\{{")
  return "", at + 1 + #whole
end

-- Interpolations ----------------------------------------------------------------

-- The tokens up to the `}}` that closes the `{{` at a position; nil and why when
-- nothing does. Line ends are white space in it, as in any bracket, until one of
-- the program was not closed: each more that ran on would read the rest again.
function M:closed_tokens(pos)
  local depth, tokens = 0, {}
  while true do
    pos = self:skip_lines(pos, not self.multiline)
    if not pos or pos > #self.text then return nil, "braces" end
    if depth <= 0 and self.text:sub(pos, pos + 1) == "}}" then return tokens, pos end
    local token
    token, pos = self:token(pos)
    if token.open then return nil, token.open end
    if token.value == "{" or token.value == "[" or token.value == "(" then depth = depth + 1 end
    if token.value == "}" or token.value == "]" or token.value == ")" then depth = depth - 1 end
    tokens[#tokens + 1] = token
  end
end

-- An interpolation, and the position behind it. Where `{{` is not closed nothing
-- tells where it was meant to end: that is one error, of the outermost one, and
-- the rest of the line is given up.
function M:interpolation(pos)
  self.templates = self.templates + 1
  local before = #self.diagnostics
  local tokens, stop = nil, "deep"
  if self.templates <= DEEPEST then tokens, stop = self:closed_tokens(pos + 2) end
  self.templates = self.templates - 1
  if tokens then
    tokens[#tokens + 1] = { type = "end", pos = stop, stop = stop + 2 }
    return { tokens = tokens, pos = pos, stop = stop + 2 }, stop + 2
  end
  for i = #self.diagnostics, before + 1, -1 do self.diagnostics[i] = nil end
  if self.templates == 0 then
    self.multiline = false
    if stop == "deep" then
      self:error(pos, pos + 2, ("nested more than %d deep"):format(DEEPEST), "give parts of it names with STATE")
    else
      self:error(pos, pos + 2, "`{{` is never closed", "write `\\{{` for two braces that are text")
    end
  end
  return nil, stop
end

-- The indentation of `"""` strings ------------------------------------------------

-- The indentation that the lines of raw text share; lines that hold nothing else do not count.
local function shared_indentation(parts)
  local shared
  for _, part in ipairs(parts) do
    for indent, at in (part.raw or ""):gmatch "\n([ \t]*)()" do
      local blank = part.raw:sub(at, at) == "\n"
      if not blank then
        shared = shared or indent
        while indent:sub(1, #shared) ~= shared do shared = shared:sub(1, -2) end
      end
    end
  end
  return shared or ""
end

-- Takes the line end behind the opening quotes and the shared indentation away, from
-- the literal's own text only: neither what an escape stands for nor what `{{ }}` inserts
-- is indentation. With text on the opening line everything stays.
local function dedent(parts)
  local first = parts[1]
  if not first or not first.raw or first.raw:sub(1, 1) ~= "\n" then return end
  local shared = shared_indentation(parts)
  for _, part in ipairs(parts) do
    part.raw = part.raw and part.raw:gsub("\n([ \t]*)", function(indent)
      return "\n" .. (indent:sub(1, #shared) == shared and indent:sub(#shared + 1) or "")
    end)
  end
  first.raw = first.raw:sub(2)
end

-- A text without the white space at its end.
local function trimmed(text)
  return text:match "^.*%S" or ""
end

-- Joins neighbouring pieces of text; what is left is text and interpolations.
local function joined(parts)
  local found, buffer = {}, {}
  local function flush()
    local text = table.concat(buffer)
    if text ~= "" then found[#found + 1] = text end
    buffer = {}
  end
  for _, part in ipairs(parts) do
    if part.tokens then
      flush()
      found[#found + 1] = part
    else
      buffer[#buffer + 1] = part.raw or part.escaped
    end
  end
  flush()
  return found
end

-- Strings -------------------------------------------------------------------------

local plain = { ['"'] = '^[^"\\{\n]+', ["'"] = "^[^'\\{\n]+", ['"""'] = '^[^"\\{]+' }

-- Where to go on behind a string that is given up: its line's end, or the quotes
-- that close it. In one that is nested too deep the next quotes open another.
local function given_up(text, quote, at, why)
  if #quote < 3 or why == "deep" then return text:find("\n", at, true) or #text + 1 end
  local _, stop = text:find(quote, at, true)
  return stop and stop + 1 or #text + 1
end

-- The parts of a string from behind its opening quotes on, and where it closes;
-- nil, where to go on, and why when it does not.
function M:string_parts(quote, at)
  local text, parts = self.text, {}
  while true do
    local from, to = text:find(plain[quote], at)
    if from then
      parts[#parts + 1] = { raw = text:sub(from, to) }
      at = to + 1
    end
    local char = text:sub(at, at)
    if text:sub(at, at + #quote - 1) == quote then
      return parts, at
    elseif char == "" or char == "\n" then
      return nil, at, "open"
    elseif char == "\\" then
      local escaped
      escaped, at = self:escape(quote, at)
      parts[#parts + 1] = { escaped = escaped }
    elseif text:sub(at, at + 1) == "{{" then
      local part, stop = self:interpolation(at)
      if not part then
        local why = stop == "deep" and "deep" or "braces"
        return nil, given_up(text, quote, at, why), why
      end
      parts[#parts + 1], at = part, stop
    else
      parts[#parts + 1], at = { raw = char }, at + 1
    end
  end
end

-- A hint for a string that is never closed; in a line such as `// don't` none was meant.
local function unclosed_hint(self, long)
  if self.code and self.text:find("^//", self.code) then return "comments begin with `#`" end
  return not long and 'a string over several lines is written """…"""' or nil
end

--- The token of a string, and the position behind it. One that is never closed
--- has a field `open`.
function M:string(pos)
  local quote = self.text:match('^"""', pos) or self.text:sub(pos, pos)
  local long = #quote == 3
  local parts, at, open = self:string_parts(quote, pos + #quote)
  if not parts then
    if open == "open" then
      self:error(pos, pos + #quote, "this string is never closed", unclosed_hint(self, long))
    end
    return { type = "string", value = {}, pos = pos, stop = at, open = open }, at
  end
  if long then dedent(parts) end
  return { type = "string", value = joined(parts), pos = pos, stop = at + #quote }, at + #quote
end

--- Reads the label of a BRANCH into a token: any text up to the colon, `{{…}}` included.
--- Gives the position behind it.
function M:label(pos, tokens)
  local text, parts = self.text, {}
  local first = text:match("^[ \t]*()", pos)
  local at = first
  while true do
    local from, to = text:find("^[^:\n\\{]+", at)
    if from then
      parts[#parts + 1] = { raw = text:sub(from, to) }
      at = to + 1
    end
    local char = text:sub(at, at)
    if char == ":" or char == "\n" or char == "" then break end
    if text:sub(at, at + 2) == "\\{{" then
      parts[#parts + 1], at = { raw = "{{" }, at + 3
    elseif text:sub(at, at + 1) == "{{" then
      local part, stop = self:interpolation(at)
      parts[#parts + 1], at = part, part and stop or given_up(text, ':', at)
    else
      parts[#parts + 1], at = { raw = char }, at + 1
    end
  end
  local value = joined(parts)
  local last = value[#value]
  if type(last) == "string" then value[#value] = trimmed(last) end
  if value[#value] == "" then value[#value] = nil end
  if #value > 0 then tokens[#tokens + 1] = { type = "label", value = value, pos = first, stop = first + #trimmed(text:sub(first, at - 1)) } end
  return at
end

return M
