-- The kinds of values that names and expressions can hold, as far as the text
-- tells: what lets `emit` write a plain Lua operator where nothing else can
-- occur. A kind is a kind's name; nil is "any". Every name may also be null.

local walk = require "orchlua.dsl.walk"

local M = {}

-- "none" is the kind of what has not been looked at yet: it joins as nothing.
local function join(a, b)
  if a == "none" then return b end
  if b == "none" or a == b then return a end
  return "any"
end

local of = {}

local function kind(node)
  local handler = of[node.tag]
  return handler and handler(node) or "any"
end

local function constant(name)
  return function() return name end
end

of.Number, of.String, of.Template = constant "number", constant "string", constant "string"
of.Boolean, of.Array, of.Object, of.Null = constant "boolean", constant "array", constant "object", constant "null"

function of.Name(node)
  return node.slot and node.slot.kind or "any"
end

function of.Unary(node)
  return node.op == "-" and "number" or "boolean"
end

local boolean = { ["<"] = true, ["<="] = true, [">"] = true, [">="] = true, ["=="] = true, ["!="] = true, IN = true }

local function sum(left, right)
  if left == "none" or right == "none" then return "none" end
  if left == "string" or right == "string" then return "string" end
  return left == right and (left == "number" or left == "array") and left or "any"
end

local function operator(node, left, right)
  if boolean[node.op] then return "boolean" end
  if node.op == "AND" or node.op == "OR" then return join(left, right) end
  if node.op == "+" then return sum(left, right) end
  return "number"
end

function of.Binary(node)
  local terms, operators = walk.chain(node)
  local result = kind(terms[1])
  for i, binary in ipairs(operators) do result = operator(binary, result, kind(terms[i + 1])) end
  return result
end

function of.Conditional(node)
  return join(kind(node.yes), kind(node.no))
end

function of.Call(node)
  return node.signature and node.signature.returns or "any"
end

function of.Method(node)
  return node.method and node.method.returns or "any"
end

function of.Field(node)
  if node.name ~= "length" or node.object.tag == "Field" then return "any" end
  local object = kind(node.object)
  return (object == "array" or object == "string") and "number" or "any"
end

local function is_range(node)
  return node.tag == "Call" and node.name == "RANGE"
end

-- What a write leaves in its name.
local function written(write, slot)
  local node = write.node
  if node.tag == "State" or node.tag == "Update" then return kind(node.value) end
  if node.tag == "Append" then return "array" end
  if node.tag == "Foreach" then
    if slot == node.index then return "number" end
    return is_range(node.list) and slot == node.var.slot and "number" or "any"
  end
  if node.tag == "Try" then return "object" end
  return "any"
end

-- Bounds -------------------------------------------------------------------------

-- Up to EXACT a whole number is the same as a float; below SAFE no operation has
-- left the 64-bit integers. No loop lives for EXACT turns, so what counts turns
-- has bounds.
local EXACT, SAFE = 2.0 ^ 53, 2.0 ^ 62

local function loop_bounds(slot)
  local write = slot.writes[1]
  if #slot.writes ~= 1 or write.node.tag ~= "Foreach" then return nil end
  if slot == write.node.index then return { low = 0, high = EXACT } end
  local args = is_range(write.node.list) and write.node.list.args
  if not args or #args > 2 then return nil end
  local first = #args == 1 and 0 or args[1].tag == "Number" and args[1].value
  return first and first <= EXACT and { low = first, high = EXACT + first } or nil
end

local bounds = {}

bounds["+"] = function(a, b) return a.low + b.low, a.high + b.high end
bounds["-"] = function(a, b) return a.low - b.high, a.high - b.low end

bounds["*"] = function(a, b)
  local corners = { a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high }
  return math.min(table.unpack(corners)), math.max(table.unpack(corners))
end

bounds["/"] = function(a, b)
  if b.low >= 1 and a.low >= -EXACT and a.high <= EXACT then return math.min(a.low, 0), math.max(a.high, 0) end
end

bounds["%"] = function(a, b)
  if a.low >= 0 and b.low > 0 then return 0, math.min(a.high, b.high) end
end

--- The bounds of a number in the text.
function M.constant_bounds(number)
  return { low = number + 0.0, high = number + 0.0 }
end

--- The bounds of an operation on two bounded numbers, or nil where the plain
--- Lua operator might give something else than the language's.
---@param a? { low: number, high: number }
---@param b? { low: number, high: number }
function M.bounds(op, a, b)
  if not a or not b then return nil end
  local low, high = bounds[op](a, b)
  if low and low > -SAFE and high < SAFE then return { low = low, high = high } end
end

-- Presence -------------------------------------------------------------------------

local present = {}

-- Whether an expression is never null, whatever its names hold.
local function is_present(node)
  local rule = present[node.tag]
  if type(rule) == "function" then return rule(node) end
  return rule or false
end

for _, tag in ipairs { "Number", "String", "Template", "Boolean", "Array", "Object", "Unary" } do present[tag] = true end

function present.Name(node) return node.slot ~= nil and node.slot.bounds ~= nil end
function present.Call(node) return of.Call(node) ~= "any" end
function present.Method(node) return of.Method(node) ~= "any" end
function present.Conditional(node) return is_present(node.yes) and is_present(node.no) end

function present.Binary(node)
  return node.op ~= "AND" and node.op ~= "OR"
end

local function writes_present(slot)
  for _, write in ipairs(slot.writes) do
    local node = write.node
    if node.tag == "State" or node.tag == "Update" then
      if not is_present(node.value) then return false end
    elseif node.tag ~= "Append" and written(write, slot) ~= "number" then
      return false
    end
  end
  return true
end

local ROUNDS_AT_MOST = 50

--- Gives every slot its `kind`, nil where it may be any; its `bounds`, when it is a
--- number that has some; and `present`, when null is never assigned to it. Names that
--- are assigned in the reverse of the order they depend on each other take a round each:
--- where those are too many, every name may be any.
---@param slots orchlua.Slot[]
function M.infer(slots)
  for _, slot in ipairs(slots) do slot.kind = "none" end
  local changed, rounds = true, 0
  while changed and rounds < ROUNDS_AT_MOST do
    changed, rounds = false, rounds + 1
    for _, slot in ipairs(slots) do
      local now = slot.kind
      for _, write in ipairs(slot.writes) do now = join(now, written(write, slot)) end
      if now ~= slot.kind then slot.kind, changed = now, true end
    end
  end
  for _, slot in ipairs(slots) do
    if changed or slot.kind == "any" or slot.kind == "none" then slot.kind = nil end
    slot.bounds = loop_bounds(slot)
  end
  for _, slot in ipairs(slots) do slot.present = writes_present(slot) end
end

--- The kind of an expression, or nil.
---@param node orchlua.Node
---@return string?
function M.of(node)
  local found = kind(node)
  return found ~= "any" and found ~= "none" and found or nil
end

--- The kind of a binary operation on two kinds (nil: any).
function M.operation(node, left, right)
  local found = operator(node, left or "any", right or "any")
  return found ~= "any" and found or nil
end

return M
