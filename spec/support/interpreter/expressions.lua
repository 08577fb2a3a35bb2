-- Expressions of the slow interpreter, evaluated by walking the tree that the checker
-- leaves: one function for each tag, from left to right, as the language page says.

local functions = require "spec.support.interpreter.functions"
local values = require "spec.support.interpreter.values"

local null, kind, raise, truthy = values.null, values.kind, values.raise, values.truthy

local M = {}

-- Names ----------------------------------------------------------------------------------------

--- A scope inside another.
function M.scope(outer) return { names = {}, outer = outer } end

--- The scope that holds a name.
function M.find(scope, name)
  while scope do
    if scope.names[name] ~= nil then return scope end
    scope = scope.outer
  end
end

-- Operators ------------------------------------------------------------------------------------

local function both(a, b, of) return kind(a) == of and kind(b) == of end

local function whole(a, b) return math.type(a) == "integer" and math.type(b) == "integer" end

local function finite(n)
  if n ~= n or n == math.huge or n == -math.huge then raise "arithmetic" end
  return n
end

-- Whether an operation of two integers leaves 64 bits, by the double of its result and,
-- where that cannot tell, by a second way to compute it.
local leaves = {}

leaves["+"] = function(a, b) return b > 0 and a > math.maxinteger - b or b < 0 and a < math.mininteger - b end
leaves["-"] = function(a, b) return b < 0 and a > math.maxinteger + b or b > 0 and a < math.mininteger + b end
leaves["*"] = function(a, b)
  if a == 0 or b == 0 then return false end
  if a == -1 or b == -1 then return (a == -1 and b or a) == math.mininteger end
  return (a * b) // b ~= a or math.abs((a + 0.0) * b) > 2.0 ^ 64
end

local compute = {
  ["+"] = function(a, b) return a + b end, ["-"] = function(a, b) return a - b end, ["*"] = function(a, b) return a * b end,
}

local function arithmetic(op)
  return function(a, b)
    if not both(a, b, "number") then raise "type" end
    if whole(a, b) and leaves[op](a, b) then raise "arithmetic" end
    return finite(compute[op](a, b))
  end
end

local binary = { ["-"] = arithmetic "-", ["*"] = arithmetic "*" }

local add_numbers = arithmetic "+"

binary["+"] = function(a, b)
  if kind(a) == "string" or kind(b) == "string" then return values.text(a) .. values.text(b) end
  if both(a, b, "array") then
    local joined = values.array(table.move(a.items, 1, #a.items, 1, {}))
    for _, item in ipairs(b.items) do table.insert(joined.items, item) end
    return joined
  end
  return add_numbers(a, b)
end

binary["/"] = function(a, b)
  if not both(a, b, "number") then raise "type" end
  if b == 0 then raise "arithmetic" end
  if not whole(a, b) or a % b ~= 0 then return finite(a / b) end
  if a == math.mininteger and b == -1 then raise "arithmetic" end
  return a // b
end

binary["%"] = function(a, b)
  if not both(a, b, "number") then raise "type" end
  if b == 0 then raise "arithmetic" end
  return math.fmod(a, b)
end

local function ordering(compare)
  return function(a, b)
    if not both(a, b, "number") and not both(a, b, "string") then raise "type" end
    return compare(a, b)
  end
end

binary["<"] = ordering(function(a, b) return a < b end)
binary["<="] = ordering(function(a, b) return a <= b end)
binary[">"] = ordering(function(a, b) return a > b end)
binary[">="] = ordering(function(a, b) return a >= b end)

binary["=="] = values.equal
binary["!="] = function(a, b) return not values.equal(a, b) end

--- The key that a value is: a string, or the text of a number or a boolean.
function M.key(v)
  local of = kind(v)
  if of ~= "string" and of ~= "number" and of ~= "boolean" then raise "type" end
  return values.text(v)
end

function binary.IN(a, b)
  local of = kind(b)
  if of == "array" then return functions.functions.CONTAINS(b, a) end
  if of == "object" then return values.get(b, M.key(a)) ~= nil end
  if of == "string" and kind(a) == "string" then return b:find(a, 1, true) ~= nil end
  raise "type"
end

-- Fields and elements ----------------------------------------------------------------------------

function M.field(object, name)
  local of = kind(object)
  if of == "object" then
    local found = values.get(object, name)
    if found == nil then return null end
    return found
  end
  if of ~= "array" and of ~= "string" then raise "type" end
  if name ~= "length" then return null end
  return of == "array" and #object.items or utf8.len(object)
end

--- The 0-based position that an index is.
function M.position(index)
  local at = kind(index) == "number" and math.tointeger(index)
  if not at or at < 0 then raise "type" end
  return at
end

function M.index(object, key)
  local of = kind(object)
  if of == "object" then return M.field(object, M.key(key)) end
  if of == "string" and kind(key) ~= "number" then return M.field(object, key) end
  if of ~= "array" and of ~= "string" then raise "type" end
  local at = M.position(key)
  local found
  if of == "array" then found = object.items[at + 1] else found = at < utf8.len(object) and functions.functions.SLICE(object, at, at + 1) or nil end
  if found == nil then return null end
  return found
end

-- The tree ---------------------------------------------------------------------------------------

local expression = {}

--- The value of an expression in a scope.
function M.value(node, scope)
  return (expression[node.tag](node, scope))
end

local value = M.value

function expression.Null() return null end
function expression.Boolean(node) return node.value end
function expression.Number(node) return node.value end
function expression.String(node) return node.value end
function expression.Name(node, scope) return M.find(scope, node.name).names[node.name] end

function expression.WhereName(node, scope)
  local element = M.find(scope, node.param).names[node.param]
  if kind(element) == "object" then
    local own = values.get(element, node.name)
    if own ~= nil then return own end
  end
  local home = M.find(scope, node.name)
  if home then return home.names[node.name] end
  return null
end

function expression.Template(node, scope)
  local parts = {}
  for i, part in ipairs(node.parts) do
    parts[i] = type(part) == "string" and part or values.text(value(part, scope))
  end
  return table.concat(parts)
end

function expression.Array(node, scope)
  local items = {}
  for i, item in ipairs(node.items) do items[i] = value(item, scope) end
  return values.array(items)
end

function expression.Object(node, scope)
  local object = values.object()
  for _, entry in ipairs(node.entries) do
    local key = type(entry.key) == "string" and entry.key or value(entry.key, scope)
    values.set(object, key, value(entry.value, scope))
  end
  return object
end

local links = { Field = true, Index = true, Method = true }

-- What stands before a link, and whether a `?.` in front has cut the chain short.
local function before(node, scope)
  local object, cut
  if links[node.object.tag] and not node.object.closed then object, cut = expression[node.object.tag](node.object, scope) else object = value(node.object, scope) end
  return object, cut or node.optional and object == null
end

function expression.Field(node, scope)
  local object, cut = before(node, scope)
  if cut then return null, true end
  return M.field(object, node.name)
end

function expression.Index(node, scope)
  local object, cut = before(node, scope)
  if cut then return null, true end
  return M.index(object, value(node.index, scope))
end

function expression.Method(node, scope)
  local object, cut = before(node, scope)
  if cut then return null, true end
  local args = {}
  for i, argument in ipairs(node.args) do args[i] = value(argument, scope) end
  return functions.methods[node.name](object, table.unpack(args, 1, #node.args))
end

-- An element expression as a function; over an object the element is the value.
local function lambda(node, scope, is_object)
  local names = node.params
  return function(item, key)
    local inner = M.scope(scope)
    if #names == 2 and is_object and not node.reduce then item, key = key, item end
    inner.names[names[1].name] = item
    if names[2] then inner.names[names[2].name] = key end
    return value(node.body, inner)
  end
end

local conditions = { ["=="] = true, ["!="] = true, ["<"] = true, ["<="] = true, [">"] = true, [">="] = true, IN = true, AND = true, OR = true }

local function is_condition(body)
  return body.tag == "Binary" and conditions[body.op] or body.tag == "Unary" and body.op == "NOT"
end

function expression.Call(node, scope)
  local args = {}
  for i, argument in ipairs(node.args) do
    if argument.tag == "Lambda" then args[i] = lambda(argument, scope, kind(args[1]) == "object") else args[i] = value(argument, scope) end
  end
  local name = node.name
  if name == "EXTRACT" then name = is_condition(node.args[2].body) and "FILTER" or "MAP" end
  if name == "SORT" then args[3] = node.order end
  return functions.functions[name](table.unpack(args, 1, math.max(#node.args, name == "SORT" and 3 or 0)))
end

function expression.Unary(node, scope)
  local operand = value(node.operand, scope)
  if node.op == "NOT" then return not truthy(operand) end
  if kind(operand) ~= "number" then raise "type" end
  return binary["-"](0, operand)
end

function expression.Binary(node, scope)
  local left = value(node.left, scope)
  if node.op == "AND" or node.op == "OR" then
    if truthy(left) == (node.op == "OR") then return left end
    return value(node.right, scope)
  end
  return binary[node.op](left, value(node.right, scope))
end

function expression.Conditional(node, scope)
  return value(truthy(value(node.cond, scope)) and node.yes or node.no, scope)
end

return M
