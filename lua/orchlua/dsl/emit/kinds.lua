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

-- What a write leaves in its name.
local function written(write, slot)
  local node = write.node
  if node.tag == "State" or node.tag == "Update" then return kind(node.value) end
  if node.tag == "Append" then return "array" end
  if node.tag == "Foreach" then
    if slot == node.index then return "number" end
    local range = node.list.tag == "Call" and node.list.name == "RANGE"
    return range and slot == node.var.slot and "number" or "any"
  end
  if node.tag == "Try" then return "object" end
  return "any"
end

local ROUNDS_AT_MOST = 50

--- Gives every slot its `kind`, nil where it may be any. Names that are assigned in the
--- reverse of the order they depend on each other take a round each: where those are
--- too many, every name may be any.
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
  end
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
