-- Parses expressions: operators by precedence, left-leaning chains built in a
-- loop, everything else by what it starts with.

local cursors = require "orchlua.dsl.cursor"
local walk = require "orchlua.dsl.walk"
local words = require "orchlua.dsl.words"

local M = {}

local Cursor = cursors.Cursor

local DEEPEST = 180

-- From loose to tight; a level's operators are left-associative.
local OR, AND, NOT, EQUALITY, ORDERING, SUM, PRODUCT = 1, 2, 3, 4, 5, 6, 7

local operators = {
  ["OR"] = { "OR", OR }, ["||"] = { "OR", OR }, ["AND"] = { "AND", AND }, ["&&"] = { "AND", AND },
  ["=="] = { "==", EQUALITY }, ["!="] = { "!=", EQUALITY },
  ["<"] = { "<", ORDERING }, ["<="] = { "<=", ORDERING }, [">"] = { ">", ORDERING }, [">="] = { ">=", ORDERING }, IN = { "IN", ORDERING },
  ["+"] = { "+", SUM }, ["-"] = { "-", SUM }, ["*"] = { "*", PRODUCT }, ["/"] = { "/", PRODUCT }, ["%"] = { "%", PRODUCT },
}

local function node(tag, pos, stop, fields)
  fields.tag, fields.pos, fields.stop = tag, pos, stop
  return fields
end

-- Runs a parser one level deeper.
function Cursor:deeper(parse, ...)
  self.depth = self.depth + 1
  if self.depth > DEEPEST + 1 then self:fail(("nested more than %d deep"):format(DEEPEST), "give parts of it names with STATE") end
  local result = parse(self, ...)
  self.depth = self.depth - 1
  return result
end

-- Operators --------------------------------------------------------------------

local binary

-- What a chain of operators begins with: an operand, or NOT before all that binds tighter.
local function operand(self, loosest)
  local token = self.tokens[self.at]
  if token.value ~= "NOT" or token.type ~= "name" then return self:unary() end
  if loosest > NOT then
    self:fail(("expected an expression after `%s`, and found `NOT`"):format(self:previous().value), "put it in parentheses: (NOT x)")
  end
  self:take()
  local inner = self:deeper(binary, NOT)
  return node("Unary", token.pos, inner.stop, { op = "NOT", operand = inner })
end

-- The operators from a level on, tighter ones inside.
function binary(self, loosest)
  local left, before = operand(self, loosest), nil
  while true do
    local token = self.tokens[self.at]
    local op = operators[token.value]
    local level = op and op[2]
    if not op or level < loosest then return left end
    if level == ORDERING and before == ORDERING and op[1] ~= "IN" then
      self:fail("comparisons cannot be chained", "write `a < b AND b < c`")
    end
    self.at = self.at + 1
    local right = binary(self, level + 1)
    left = node("Binary", left.pos, right.stop, { op = op[1], left = left, right = right, op_pos = token.pos })
    before = level
  end
end

-- The one integer that is written with its sign, as it fits only so.
function Cursor:least_integer()
  local token, following = self:peek(), self:peek(1)
  if token.value ~= "9223372036854775808" or token.type ~= "number" or following.pos == token.stop and following.value == "." then return nil end
  self:take()
  return math.mininteger
end

function Cursor:unary()
  local token = self:peek()
  if token.value ~= "-" and token.value ~= "!" then return self:postfix() end
  self:take()
  local least = token.value == "-" and self:least_integer()
  if least then return node("Number", token.pos, self:last_stop(), { value = least }) end
  local inner = self:deeper(self.unary)
  return node("Unary", token.pos, inner.stop, { op = token.value == "!" and "NOT" or "-", operand = inner })
end

local function conditional(self)
  local cond = binary(self, 1)
  if not self:accept "?" then return cond end
  local yes = self:expression()
  self:expect(":", "between the two values of `? :`", "condition ? value : other value")
  local no = self:expression()
  return node("Conditional", cond.pos, no.stop, { cond = cond, yes = yes, no = no })
end

--- Parses an expression.
---@return orchlua.Node
function Cursor:expression()
  return self:deeper(conditional)
end

-- Fields, elements, calls ----------------------------------------------------------

local function key_name(self)
  local token = self:peek()
  if token.type ~= "name" then self:fail(("expected a field's name after `.`, and found %s"):format(cursors.describe(token))) end
  return self:take()
end

local function field(self, object, optional)
  local name = key_name(self)
  local at = { name = name.value, name_pos = name.pos, object = object, optional = optional or nil }
  if object.tag == "Name" and object.name == "JSON" and self:is "(" then
    return self:call { tag = "Name", name = "JSON." .. name.value, pos = object.pos, stop = name.stop }
  end
  if self:is "(" and self:peek().pos == name.stop then
    self:take()
    at.args = self:arguments()
    return node("Method", object.pos, self:last_stop(), at)
  end
  return node("Field", object.pos, name.stop, at)
end

-- With `tight`, white space ends it: how the path of APPEND and SEND does.
function Cursor:postfix(tight)
  local object = self:primary(tight)
  while true do
    if tight and self:peek().pos > self:last_stop() then return object end
    if self:accept "." then
      object = field(self, object)
    elseif self:accept "?." then
      object = field(self, object, true)
    elseif self:is "[" then
      self:take()
      local index = self:expression()
      self:expect("]", "after the index")
      object = node("Index", object.pos, self:last_stop(), { object = object, index = index })
    elseif self:is "(" and self:peek().pos == self:last_stop() then
      self:fail("only functions and methods are called", "functions have upper-case names: COUNT(list)")
    else
      return object
    end
  end
end

-- Whether `x =>`, `(x) =>` or `(k, v) =>` stands here.
local function lambda_ahead(self)
  if self:peek().type == "name" then return self:peek(1).value == "=>" and self:peek(1).type == "sign" end
  if not self:is "(" then return false end
  if self:peek(1).value == ")" and self:peek(2).value == "=>" then return true end
  local ahead = 1
  while self:peek(ahead).type == "name" do
    ahead = ahead + 1
    if self:peek(ahead).value == ")" then return self:peek(ahead + 1).value == "=>" end
    if self:peek(ahead).value ~= "," then return false end
    ahead = ahead + 1
  end
  return false
end

local function lambda(self)
  local start, params = self:peek().pos, {}
  if self:accept "(" then
    repeat params[#params + 1] = self:name "a parameter's name" until not self:accept ","
    self:expect(")", "after the parameters")
  else
    params[1] = self:name "a parameter's name"
  end
  self:expect("=>")
  local body = self:expression()
  return node("Lambda", start, body.stop, { params = params, body = body })
end

--- The arguments of a call behind its `(`; what may follow the last one goes into `extra`.
function Cursor:arguments(extra)
  local args = {}
  while not self:is ")" do
    args[#args + 1] = lambda_ahead(self) and lambda(self) or self:expression()
    if extra then
      if self:is "ASC" or self:is "DESC" then extra.order = self:take().value:lower() end
      if self:accept "WHERE" then extra.where = self:expression() end
    end
    if not self:accept "," then break end
  end
  self:expect(")", "after the arguments", "arguments are separated by commas")
  return args
end

function Cursor:call(name)
  self:expect "("
  local extra = {}
  extra.args = self:arguments(extra)
  extra.name = name.name
  return node("Call", name.pos, self:last_stop(), extra)
end

-- Values -----------------------------------------------------------------------------

local primary = {}

local function number(self, token)
  local n, following = tonumber(token.value), self:peek()
  if following.pos == token.stop and (following.type == "name" or following.type == "number" or following.value == ".") then
    local whole = following.value == "." and token.value .. "." or token.value .. following.value
    self:fail(("`%s` is no number"):format(whole), "numbers are written 42, 0.5 or 1e9", { pos = token.pos, stop = following.stop })
  end
  if token.value:find "^%d+$" and math.type(n) ~= "integer" then
    self:fail("this whole number does not fit 64 bits", "write it with a fraction or an exponent: 1e20", token)
  end
  if n - n ~= 0 then self:fail("this number is too large", nil, token) end
  return node("Number", token.pos, token.stop, { value = n })
end

--- A node of a string's parts: a String, or a Template when it has expressions.
function M.template(self, token)
  local parts, expressions = {}, false
  for i, part in ipairs(token.value) do
    if type(part) == "table" then
      expressions = true
      local inner = cursors.new(part.tokens, self.depth)
      if inner:finished() then inner:fail("`{{ }}` holds no expression", "write `\\{{` for two braces that are text", { pos = part.pos, stop = part.stop }) end
      parts[i] = inner:expression()
      if not inner:finished() then inner:fail(("expected `}}`, and found %s"):format(cursors.describe(inner:peek()))) end
    else
      parts[i] = part
    end
  end
  if expressions then return node("Template", token.pos, token.stop, { parts = parts }) end
  return node("String", token.pos, token.stop, { value = table.concat(parts) })
end

local constants = { ["true"] = { "Boolean", true }, ["false"] = { "Boolean", false }, ["null"] = { "Null" } }

-- Words of statements that are names of functions too.
local callable = { APPEND = true }

local function word(self, token, tight)
  local constant = constants[token.value]
  if constant then return node(constant[1], token.pos, token.stop, { value = constant[2] }) end
  local reserved, called = words.reserved[token.value], self:is "(" and not (tight and self:peek().pos > token.stop)
  local name = node("Name", token.pos, token.stop, { name = token.value })
  if called and (not reserved or callable[token.value]) then return self:call(name) end
  if reserved then
    self.at = self.at - 1
    self:missing(token)
  end
  if self:is "=>" then
    self:fail("`=>` is written only as an argument of a collection function", "for example FILTER(list, x => x > 1)")
  end
  return name
end

primary["["] = function(self, token)
  local items = {}
  while not self:is "]" do
    items[#items + 1] = self:expression()
    if not self:accept "," then break end
  end
  self:expect("]", "after the elements", "elements are separated by commas")
  return node("Array", token.pos, self:last_stop(), { items = items })
end

local function object_key(self)
  local token = self:peek()
  if token.type == "string" then
    self:take()
    local key = M.template(self, token)
    return key.tag == "String" and key.value or key, token
  end
  if token.type == "name" or token.type == "number" then return self:take().value, token end
  local hint = token.value == "/" and "comments begin with `#`" or "a key is a name or a string; a computed one is a string: {\"{{name}}\": 1}"
  self:fail(("expected a key, and found %s"):format(cursors.describe(token)), hint)
end

local function entry(self)
  local key, token = object_key(self)
  if token.type == "name" and (self:is "," or self:is "}") and not words.reserved[key] then
    return { key = key, value = node("Name", token.pos, token.stop, { name = key }), pos = token.pos, key_stop = token.stop }
  end
  self:expect(":", "after the key", self:is "=" and "a field is written key: value" or nil)
  return { key = key, value = self:expression(), pos = token.pos, key_stop = token.stop }
end

-- Parentheses end a chain: what a `?.` in them cuts short is their value, null, and no more.
local function enclosed(inner)
  local link = inner
  while walk.link[link.tag] and not link.closed do
    if link.optional then inner.closed = true end
    link = link.object
  end
  return inner
end

-- `{{ expr }}` where a value is expected means `(expr)`.
local function braces(self)
  self:take()
  local inner = self:expression()
  self:expect("}", "to close `{{`", "an object inside `{{ }}` has its own braces: {{ {a: 1} }}")
  local first = self:previous()
  local second = self:expect("}", "to close `{{`")
  if second.pos > first.stop then self:fail("expected `}}`, without a space in it, to close `{{`", nil, first) end
  return enclosed(inner)
end

-- Whether `{{` stands here, written without a space.
function Cursor:braces_ahead()
  local first, second = self:peek(), self:peek(1)
  return first.value == "{" and second.value == "{" and second.pos == first.stop
end

primary["{"] = function(self, token)
  if self:is "{" and self:peek().pos == token.stop then return braces(self) end
  local entries = {}
  while not self:is "}" do
    entries[#entries + 1] = entry(self)
    if not self:accept "," then break end
  end
  self:expect("}", "after the fields", "fields are separated by commas")
  return node("Object", token.pos, self:last_stop(), { entries = entries })
end

primary["("] = function(self)
  self.at = self.at - 1
  if lambda_ahead(self) then
    self:fail("`=>` is written only as an argument of a collection function", "for example FILTER(list, x => x > 1)")
  end
  self.at = self.at + 1
  local inner = self:expression()
  self:expect(")", "to close `(`")
  return enclosed(inner)
end

-- What stands in other languages, by the sign that is too many and the one before it.
local too_many = {
  ["=="] = "`==` compares values of any kind; there is no `===`", ["!="] = "`!=` compares values of any kind; there is no `!==`",
  ["="] = "`==` compares", ["*"] = "a power is written POW(x, 2)", ["/"] = "a whole quotient is written FLOOR(a / b); comments begin with `#`",
  ["?"] = "`a || b` gives b where a is null, false, 0 or empty", ["+"] = "UPDATE x = x + 1 counts up",
}

-- A hint for what stands where an expression must begin.
local function missing_hint(self, token, before)
  if token.type ~= "sign" then return nil end
  if token.value == "." and self:peek(1).type == "number" then return "a number begins with a digit: 0.5" end
  local doubled = before and before.stop == token.pos and before.type == "sign" and before.value:sub(-1) == token.value
  return doubled and too_many[before.value] or token.value == "=" and "`==` compares" or nil
end

-- Raises the error of an expression that does not begin where it must.
function Cursor:missing(token)
  local before = self:previous()
  local after = before and (before.type == "sign" or words.reserved[before.value]) and (" after `%s`"):format(before.value) or ""
  self:fail(("expected an expression%s, and found %s"):format(after, cursors.describe(token)), missing_hint(self, token, before), token)
end

--- Parses what an operand starts with.
function Cursor:primary(tight)
  local token = self:peek()
  local parse = token.type == "sign" and primary[token.value]
  if token.type == "end" or token.type == "sign" and not parse or token.type == "label" then self:missing(token) end
  self:take()
  if parse then return parse(self, token) end
  if token.type == "number" then return number(self, token) end
  if token.type == "string" then return M.template(self, token) end
  return word(self, token, tight)
end

return M
