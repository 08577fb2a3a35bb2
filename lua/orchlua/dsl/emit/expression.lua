-- Compiles expressions. `value` writes whatever must run first and gives a Lua
-- expression that is cheap, pure and stays true until the statement ends: a
-- temporary, a name or a constant. Real Lua operators are written inline, with
-- a guard; what the guard does not pass goes to the helper of the same meaning
-- in `run/operators.lua`.

local kinds = require "orchlua.dsl.emit.kinds"
local walk = require "orchlua.dsl.walk"
local writer = require "orchlua.dsl.emit.writer"

local Writer = writer.Writer
local quote = Writer.quote

local value = {}

--- Compiles an expression; gives its code and its kind (nil: any). The code of
--- a kind other than null may still be null when `nullable`. A number may have
--- bounds that the text gives.
---@return string code
---@return string? kind
---@return boolean? nullable
---@return { low: number, high: number }? bounds
function Writer:value(node)
  return value[node.tag](self, node)
end

-- Constants ---------------------------------------------------------------------

function value.Null(self) return self:helper("null"), "null", true end
function value.Boolean(_, node) return tostring(node.value), "boolean" end
function value.String(_, node) return quote(node.value), "string" end

function value.Number(_, node)
  local bounds = kinds.constant_bounds(node.value)
  -- Lua reads the digits of the least integer as a double: `%q` writes it in hexadecimal.
  if math.type(node.value) == "integer" then return ("%q"):format(node.value), "number", false, bounds end
  local digits = ("%.17g"):format(node.value)
  return digits:find "[.e]" and digits or digits .. ".0", "number", false, bounds
end

-- Names ---------------------------------------------------------------------------

function value.Name(self, node)
  local slot = node.slot
  local sure = slot.bounds or slot.present and self.assigned[slot]
  return self:read(slot), slot.kind, not sure, slot.bounds
end

function value.WhereName(self, node)
  local closing = self:let(("%s(%s, %s)"):format(self:helper "own_field", self:read(node.element), quote(node.name)))
  local other = node.slot and self:read(node.slot) or self:helper "null"
  self:put(("if %s == nil then %s = %s end"):format(closing, closing, other))
  return closing, nil, true
end

-- Strings ---------------------------------------------------------------------------

local PIECES_AT_ONCE = 40

-- Joins pieces of Lua string expressions; long ones in groups, since one Lua
-- chain of `..` has a limit.
function Writer:concatenate(node, pieces)
  if #pieces == 0 then return '""' end
  self:mark(node)
  local result
  for first = 1, #pieces, PIECES_AT_ONCE do
    local last = math.min(first + PIECES_AT_ONCE - 1, #pieces)
    local joined = table.concat(pieces, " .. ", first, last)
    result = self:let(result and result .. " .. " .. joined or joined)
  end
  self:put(("if #%s > %s then %s(run, %s) end"):format(result, self:helper "large_text", self:helper "made_large", result))
  return result
end

local scalar = { number = true, string = true, boolean = true, null = true }

--- The text of a value; what it takes to write a large one is charged.
function Writer:as_text(node, code, kind)
  self:mark(node)
  return self:let(("%s(%s%s)"):format(self:helper "text", code, scalar[kind] and "" or ", run"))
end

--- Compiles an expression to its text, as `{{ }}` inserts it.
function Writer:text_of(node)
  local code, kind, nullable = self:value(node)
  if kind == "string" and not nullable then return code end
  return self:as_text(node, code, kind)
end

function value.Template(self, node)
  local pieces = {}
  for i, part in ipairs(node.parts) do
    pieces[i] = type(part) == "string" and quote(part) or self:text_of(part)
  end
  return self:concatenate(node, pieces), "string"
end

-- Collections -------------------------------------------------------------------------

local simple = { Null = true, Boolean = true, Number = true, String = true, Name = true }

function value.Array(self, node)
  local all_simple = #node.items <= PIECES_AT_ONCE
  for _, item in ipairs(node.items) do all_simple = all_simple and simple[item.tag] end
  if all_simple then
    local codes = {}
    for i, item in ipairs(node.items) do codes[i] = self:value(item) end
    return self:let(("%s({ %s }, %s)"):format(self:helper "setmetatable", table.concat(codes, ", "), self:helper "Array")), "array"
  end
  local result = self:let(("%s({}, %s)"):format(self:helper "setmetatable", self:helper "Array"))
  for i, item in ipairs(node.items) do
    local close = self:open()
    self:put(("%s[%d] = %s"):format(result, i, (self:value(item))))
    close()
  end
  return result, "array"
end

local function distinct_keys(entries)
  local seen = {}
  for _, entry in ipairs(entries) do
    if type(entry.key) ~= "string" or seen[entry.key] then return false end
    seen[entry.key] = true
  end
  return #entries <= PIECES_AT_ONCE
end

-- One table constructor holds the key order and the values.
local function object_at_once(self, node)
  local keys, fields = {}, {}
  for i, entry in ipairs(node.entries) do
    keys[i] = quote(entry.key)
    fields[i] = ("[%s] = %s"):format(quote(entry.key), (self:value(entry.value)))
  end
  local separator = #keys > 0 and ", " or ""
  return self:let(("%s({ %s%s%s }, %s)"):format(self:helper "setmetatable", table.concat(keys, ", "), separator,
    table.concat(fields, ", "), self:helper "Object")), "object"
end

function value.Object(self, node)
  if distinct_keys(node.entries) then return object_at_once(self, node) end
  local result = self:let(("%s({}, %s)"):format(self:helper "setmetatable", self:helper "Object"))
  for _, entry in ipairs(node.entries) do
    local close = self:open()
    local key = type(entry.key) == "string" and quote(entry.key) or (self:value(entry.key))
    self:put(("%s(%s, %s, %s)"):format(self:helper "set_field", result, key, (self:value(entry.value))))
    close()
  end
  return result, "object"
end

-- Fields and elements --------------------------------------------------------------------

-- A link behind a `?.`: null, and not looked at, when the chain was cut short there.
local function unless_cut(self, cut, compile)
  local result = self:let(self:helper "null")
  local close = self:open(("if not %s then"):format(cut))
  self.marked = nil
  self:put(("%s = %s"):format(result, (compile())))
  close()
  self.marked = nil
  return result, nil, true
end

-- A string answers an index with Lua's own string functions; those names go
-- through the helper, which knows better.
local function plain_field(name, kind)
  return kind == "object" or string[name] == nil
end

local function length(self, node, object, kind)
  self:mark(node)
  if kind == "array" then return self:let("#" .. object), "number" end
  return self:let(("%s(%s, run)"):format(self:helper "length", object))
end

local function field(self, node, object, kind, nullable)
  if node.name == "length" then return length(self, node, object, kind) end
  local name, helper = quote(node.name), self:helper "field"
  if not plain_field(node.name, kind) then
    self:mark(node)
    return self:let(("%s(%s, %s, run)"):format(helper, object, name))
  end
  local slow = self:mark_branch(node, kind == "object" and not nullable)
  local result = self:let(("%s[%s]"):format(object, name))
  self:put(("if %s == nil then %s%s = %s(%s, %s) end"):format(result, slow, result, helper, object, name))
  return result
end

local function index(self, node, object, kind, nullable)
  local key, key_kind, key_nullable = self:value(node.index)
  local helper = self:helper "index"
  if kind == "array" and key_kind == "number" then
    local slow = self:mark_branch(node, not nullable and not key_nullable)
    local result = self:let(("%s[%s + 1]"):format(object, key))
    self:put(("if %s == nil then %s%s = %s(%s, %s) end"):format(result, slow, result, helper, object, key))
    return result
  end
  self:mark(node)
  return self:let(("%s(%s, %s, run)"):format(helper, object, key))
end

-- Calls ----------------------------------------------------------------------------------

function Writer:arguments(args)
  local codes = {}
  for i, argument in ipairs(args) do
    codes[i] = (self:value(argument))
  end
  return codes
end

local function call(first, codes)
  return #codes == 0 and first or first .. ", " .. table.concat(codes, ", ")
end

local function method(self, node, object)
  local codes = self:arguments(node.args)
  self:mark(node)
  local helper = self:helper("method_" .. node.name)
  return self:let(("%s(run, %s)"):format(helper, call(object, codes))), node.method.returns
end

local links = { Field = field, Index = index, Method = method }

-- A chain `a.b[c].d()`, which may have thousands of links. On null `?.` gives null, and cuts short what follows it.
local function chain(self, node)
  local start, list = walk.links(node)
  local code, kind, nullable = self:value(start)
  -- A constant cannot be indexed in Lua's syntax; a name and a temporary can.
  if simple[start.tag] and start.tag ~= "Name" then code = self:let(code) end
  local cut
  for _, link in ipairs(list) do
    local object, object_kind, object_nullable = code, kind, nullable
    local function compile() return links[link.tag](self, link, object, object_kind, object_nullable) end
    -- One cut short before stands at null here too.
    if link.optional then cut = self:let(("%s == %s"):format(object, self:helper "null")) end
    if cut then
      code, kind, nullable = unless_cut(self, cut, compile)
    else
      code, kind, nullable = compile()
    end
  end
  return code, kind, nullable
end

value.Field, value.Index, value.Method = chain, chain, chain

local logical = { ["<"] = true, ["<="] = true, [">"] = true, [">="] = true, ["=="] = true, ["!="] = true, IN = true, AND = true, OR = true }

local function is_condition(node)
  if node.tag == "Lambda" then node = node.body end
  return node.tag == "Unary" and node.op == "NOT" or node.tag == "Binary" and logical[node.op] or false
end

-- What SORT and EXTRACT are told beyond what was written.
local function extra_arguments(node, codes)
  if node.signature.sortable then
    codes[2] = codes[2] or "nil"
    codes[3] = tostring(node.order == "desc")
  elseif node.name == "EXTRACT" and node.args[2] then
    codes[3] = tostring(is_condition(node.args[2]))
  end
end

function value.Call(self, node)
  local codes = self:arguments(node.args)
  extra_arguments(node, codes)
  self:mark(node)
  local helper = node.signature.user and ("run.functions[%s]"):format(quote(node.name)) or self:helper("call_" .. node.name)
  return self:let(("%s(%s)"):format(helper, call("run", codes))), node.signature.returns
end

local function parameters(self, node)
  local names = {}
  for i, param in ipairs(node.params) do
    self.count = self.count + 1
    names[i] = ("e%d_%s"):format(self.count, param.name:gsub("%W", ""))
    param.slot.lua = names[i]
  end
  return names
end

-- An element function is called with (value, key, is_object); its two names are
-- (key, value) over an object and (item, index) over an array.
function value.Lambda(self, node)
  local names = parameters(self, node)
  self:put(("local function e%d(%s, %s, o)"):format(self.count, names[1], names[2] or "_"))
  if names[2] and not node.reduce then
    self:put(("if o then %s, %s = %s, %s end"):format(names[1], names[2], names[2], names[1]))
  end
  local name, live = "e" .. self.count, self.live
  self.marked = nil
  self:put(("return %s end"):format((self:value(node.body))))
  self.live, self.marked = live + 1, nil
  return name, "function"
end

-- Operators ---------------------------------------------------------------------------------

local unary = {}

unary["-"] = function(self, node)
  local operand, kind, nullable, bounds = self:value(node.operand)
  bounds = kinds.bounds("-", kinds.constant_bounds(0), bounds)
  if bounds then return self:let("0 - " .. operand), "number", false, bounds end
  local slow = self:mark_branch(node, kind == "number" and not nullable)
  if kind ~= "number" then
    return self:let(("%s(%s)"):format(self:helper "negate", operand)), "number"
  end
  local result = self:let(("0 - %s"):format(operand))
  self:put(("if %s == %s then %s%s = %s(%s) end"):format(result, operand, slow, result, self:helper "negate", operand))
  return result, "number"
end

unary.NOT = function(self, node)
  return self:let(("not (%s)"):format(self:condition(node.operand))), "boolean"
end

function value.Unary(self, node)
  return unary[node.op](self, node)
end

local guards = {
  ["+"] = { "a + b", "(b >= 0) ~= (r >= a) or r - r ~= 0", "add" },
  ["-"] = { "a - b", "(b >= 0) ~= (r <= a) or r - r ~= 0", "subtract" },
  ["*"] = { "a * b", "not (a < 2147483648 and a > -2147483648 and b < 2147483648 and b > -2147483648)", "multiply" },
  ["/"] = { "a / b", "not (r % 1 > 0) or a >= 9007199254740992 or a <= -9007199254740992", "divide" },
  ["%"] = { nil, nil, "remainder" },
}

-- With a small whole constant on the right one or two comparisons are guard enough:
-- `x + 1` overflows only upward, `x * 2` not from where x is small.
local by_constant = {
  ["+"] = { "a + b", "r < a" },
  ["-"] = { "a - b", "r > a" },
  ["*"] = { "a * b", "a > 4398046511104 or a < -4398046511104" },
}
local LARGEST_CONSTANT = 1048576

local function small_constant(code)
  local n = code:find "^%d+$" and math.tointeger(tonumber(code))
  return n ~= nil and n ~= false and n >= 1 and n <= LARGEST_CONSTANT
end

local function guarded(self, guard, a, b, slow, helper)
  local names = { a = a, b = b }
  local function fill(pattern) return (pattern:gsub("%f[%w]%a%f[%W]", names)) end
  local result = self:let(fill(guard[1]))
  names.r = result
  self:put(("if %s then %s%s = %s(%s, %s) end"):format(fill(guard[2]), slow, result, helper, a, b))
  return result
end

local function remainder(self, a, b, slow, helper)
  local result = self:let("0")
  local test = small_constant(b) and ("%s >= 0"):format(a) or ("%s >= 0 and %s > 0"):format(a, b)
  self:put(("if %s then %s = %s %% %s else %s%s = %s(%s, %s) end"):format(test, result, a, b, slow, result, helper, a, b))
  return result
end

-- The quotient of integers is one where it is whole; `b` is not 0, and no division by it overflows.
local function quotient(self, a, b)
  local result = self:let("0")
  self:put(("if %s %% %s == 0 then %s = %s // %s else %s = %s / %s end"):format(a, b, result, a, b, result, a, b))
  return result
end

-- Whether both sides are of a kind for certain.
local function both(kind, left, right)
  return left.kind == kind and right.kind == kind and not left.nullable and not right.nullable
end

local function arithmetic(self, node, left, right)
  local a, b = left.code, right.code
  local bounds = kinds.bounds(node.op, left.bounds, right.bounds)
  if bounds and node.op == "/" then return quotient(self, a, b), bounds end
  if bounds then return self:let(("%s %s %s"):format(a, node.op, b)), bounds end
  local guard = guards[node.op]
  local helper = self:helper(guard[3])
  local slow = self:mark_branch(node, both("number", left, right))
  if left.kind ~= "number" or right.kind ~= "number" then
    return self:let(("%s(%s, %s%s)"):format(helper, a, b, node.op == "+" and ", run" or ""))
  end
  if node.op == "%" then return remainder(self, a, b, slow, helper) end
  if node.op == "/" and small_constant(b) then return quotient(self, a, b) end
  return guarded(self, small_constant(b) and by_constant[node.op] or guard, a, b, slow, helper)
end

local function equality(self, node, left, right)
  local a, b = left.code, right.code
  if scalar[left.kind] or scalar[right.kind] then return ("%s == %s"):format(a, b) end
  self:mark(node)
  return ("(%s == %s or %s(%s, %s, run))"):format(a, b, self:helper "equal", a, b)
end

local function comparison(self, node, left, right)
  local op = node.op
  if op == "==" then return equality(self, node, left, right) end
  if op == "!=" then return ("not (%s)"):format(equality(self, node, left, right)) end
  if op == "IN" then
    self:mark(node)
    return ("%s(%s, %s, run)"):format(self:helper "contains", left.code, right.code)
  end
  if not both("number", left, right) and not both("string", left, right) then self:mark(node) end
  return ("%s %s %s"):format(left.code, op, right.code)
end

local function joined_text(self, node, left, right)
  local pieces = {}
  for i, side in ipairs { left, right } do
    pieces[i] = side.code
    if side.kind ~= "string" or side.nullable then
      pieces[i] = self:as_text(node, side.code, side.kind)
    end
  end
  return self:concatenate(node, pieces)
end

-- One operator of a chain on what came before it. AND and OR are compiled by
-- their own rule, since their right side may not run.
local function operate(self, node, left, right)
  local kind = kinds.operation(node, left.kind, right.kind)
  if guards[node.op] then
    if node.op == "+" and kind == "string" then return joined_text(self, node, left, right), kind end
    local code, bounds = arithmetic(self, node, left, right)
    return code, kind, bounds
  end
  return self:let(comparison(self, node, left, right)), "boolean"
end

--- A Lua condition that tells whether a value is truthy: not null, false, 0 or "".
function Writer:truthy(code, kind, nullable)
  if kind == "boolean" then
    return nullable and ("%s and %s ~= %s"):format(code, code, self:helper "null") or code
  end
  if kind == "array" or kind == "object" then return ("%s ~= %s"):format(code, self:helper "null") end
  return ('%s and %s ~= %s and %s ~= 0 and %s ~= ""'):format(code, code, self:helper "null", code, code)
end

local function short_circuit(self, node, left)
  local result = self:let(left.code)
  local test = self:truthy(result, left.kind, left.nullable)
  if node.op == "OR" then test = ("not (%s)"):format(test) end
  local close = self:open(("if %s then"):format(test))
  self.marked = nil
  local right, right_kind, right_nullable = self:value(node.right)
  self:put(("%s = %s"):format(result, right))
  close()
  self.marked = nil
  local kind = left.kind == right_kind and left.kind or nil
  return result, kind, left.nullable or right_nullable
end

-- What `value` gives, in one table.
function Writer:operand(node)
  local operand = {}
  operand.code, operand.kind, operand.nullable, operand.bounds = self:value(node)
  return operand
end

function value.Binary(self, node)
  local terms, operators = walk.chain(node)
  local left = self:operand(terms[1])
  for i, binary in ipairs(operators) do
    if binary.op == "AND" or binary.op == "OR" then
      left.code, left.kind, left.nullable = short_circuit(self, binary, left)
      left.bounds = nil
    else
      left.code, left.kind, left.bounds = operate(self, binary, left, self:operand(terms[i + 1]))
      left.nullable = false
    end
  end
  return left.code, left.kind, left.nullable, left.bounds
end

function value.Conditional(self, node)
  local result = self:let("nil")
  local condition = self:condition(node.cond)
  local close = self:open(("if %s then"):format(condition))
  self.marked = nil
  local yes, yes_kind, yes_nullable = self:value(node.yes)
  self:put(("%s = %s"):format(result, yes))
  close ""
  close = self:open("else")
  self.marked = nil
  local no, no_kind, no_nullable = self:value(node.no)
  self:put(("%s = %s"):format(result, no))
  close()
  self.marked = nil
  return result, yes_kind == no_kind and yes_kind or nil, yes_nullable or no_nullable
end

-- Conditions ----------------------------------------------------------------------------------

--- Compiles an expression to a Lua condition, to be used at once.
---@return string
function Writer:condition(node)
  if node.tag == "Unary" and node.op == "NOT" then
    return ("not (%s)"):format(self:condition(node.operand))
  end
  if node.tag == "Binary" and logical[node.op] and node.op ~= "AND" and node.op ~= "OR" then
    local left = self:operand(node.left)
    return comparison(self, node, left, self:operand(node.right))
  end
  return self:truthy(self:value(node))
end

--- Jumps to `label` unless the condition holds.
function Writer:jump_unless(node, label)
  if node.tag == "Binary" and node.op == "AND" then
    self:jump_unless(node.left, label)
    return self:jump_unless(node.right, label)
  end
  local close = self:open()
  self:put(("if not (%s) then goto %s end"):format(self:condition(node), label))
  close()
end

return { Writer = Writer }
