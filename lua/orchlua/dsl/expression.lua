-- Parses expressions: operators by precedence, left-leaning chains built in a
-- loop, everything else by what it starts with.

local cursors = require "orchlua.dsl.cursor"
local words = require "orchlua.dsl.words"

local M = {}

local Cursor = cursors.Cursor

local DEEPEST = 180

-- From loose to tight; a level's operators are left-associative.
local levels = {
  { ["OR"] = "OR", ["||"] = "OR" },
  { ["AND"] = "AND", ["&&"] = "AND" },
  "NOT",
  { ["=="] = "==", ["!="] = "!=" },
  { ["<"] = "<", ["<="] = "<=", [">"] = ">", [">="] = ">=", IN = "IN" },
  { ["+"] = "+", ["-"] = "-" },
  { ["*"] = "*", ["/"] = "/", ["%"] = "%" },
}
local ORDERING = 5

local function node(tag, pos, stop, fields)
  fields.tag, fields.pos, fields.stop = tag, pos, stop
  return fields
end

-- Runs a parser one level deeper.
function Cursor:deeper(parse, ...)
  self.depth = self.depth + 1
  if self.depth > DEEPEST then self:fail(("nested more than %d deep"):format(DEEPEST), "give parts of it names with STATE") end
  local result = parse(self, ...)
  self.depth = self.depth - 1
  return result
end

-- Operators --------------------------------------------------------------------

local function binary(self, level)
  local operators = levels[level]
  if not operators then return self:unary() end
  if operators == "NOT" then
    local sign = self:accept "NOT"
    if not sign then return binary(self, level + 1) end
    local operand = self:deeper(binary, level)
    return node("Unary", sign.pos, operand.stop, { op = "NOT", operand = operand })
  end
  local left = binary(self, level + 1)
  local first = true
  while true do
    local token = self:peek()
    local op = (token.type == "sign" or token.type == "name") and operators[token.value]
    if not op then return left end
    if level == ORDERING and not first and op ~= "IN" then
      self:fail("comparisons cannot be chained", "write `a < b AND b < c`")
    end
    self:take()
    local right = binary(self, level + 1)
    left = node("Binary", left.pos, right.stop, { op = op, left = left, right = right, op_pos = token.pos })
    first = false
  end
end

function Cursor:unary()
  local token = self:peek()
  if token.type == "sign" and (token.value == "-" or token.value == "!") then
    self:take()
    local operand = self:deeper(self.unary)
    return node("Unary", token.pos, operand.stop, { op = token.value == "!" and "NOT" or "-", operand = operand })
  end
  return self:postfix()
end

local function conditional(self)
  local cond = binary(self, 1)
  if not self:accept "?" then return cond end
  local yes = self:expression()
  self:expect(":", "between the two values of `? :`")
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
  local object = self:primary()
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
  self:expect(")", "after the arguments")
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
  local n = tonumber(token.value)
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

local function word(self, token)
  local constant = constants[token.value]
  if constant then return node(constant[1], token.pos, token.stop, { value = constant[2] }) end
  local name = node("Name", token.pos, token.stop, { name = token.value })
  if self:is "(" and (not words.reserved[token.value] or callable[token.value]) then return self:call(name) end
  if words.reserved[token.value] then
    self.at = self.at - 1
    self:fail(("expected an expression, and found the word `%s`"):format(token.value))
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
  self:fail(("expected a key, and found %s"):format(cursors.describe(token)))
end

local function entry(self)
  local key, token = object_key(self)
  if token.type == "name" and (self:is "," or self:is "}") and not words.reserved[key] then
    return { key = key, value = node("Name", token.pos, token.stop, { name = key }), pos = token.pos }
  end
  self:expect(":", "after the key")
  return { key = key, value = self:expression(), pos = token.pos }
end

-- `{{ expr }}` where a value is expected means `(expr)`.
local function braces(self)
  self:take()
  local inner = self:expression()
  self:expect("}", "to close `{{`")
  self:expect("}", "to close `{{`")
  return inner
end

primary["{"] = function(self, token)
  if self:is "{" then return braces(self) end
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
  return inner
end

--- Parses what an operand starts with.
function Cursor:primary()
  local token = self:take()
  if token.type == "number" then return number(self, token) end
  if token.type == "string" then return M.template(self, token) end
  if token.type == "name" then return word(self, token) end
  local parse = token.type == "sign" and primary[token.value]
  if parse then return parse(self, token) end
  if token.value == "=" then self:fail("expected an expression, and found `=`", "`==` compares", token) end
  self:fail(("expected an expression, and found %s"):format(cursors.describe(token)), nil, token)
end

return M
