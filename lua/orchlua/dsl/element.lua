-- Which name of `COUNT(results, r.success)` is the element: a part of `check`.
-- It is the one name in the expression that is not bound at that point (a block
-- name around it, an input, or a name introduced on an earlier line). What was
-- written as an expression leaves here as a Lambda.

local scope = require "orchlua.dsl.scope"
local walk = require "orchlua.dsl.walk"

local M = {}

local function bound(checker, where, name)
  local slot = scope.find(where, name)
  if not slot then return false end
  return slot.block or slot.input or (checker.source:position(slot.pos)) < checker.line
end

-- Calls `visit(name)` for the names of an expression that are not parameters in it.
-- With `outer`, the element expressions of calls inside it are passed over.
local function names(checker, node, outer, hidden, visit)
  walk.expression(node, function(e)
    if e.tag == "Name" then
      if not hidden[e.name] then visit(e) end
    elseif e.tag == "Lambda" then
      local inner = setmetatable({}, { __index = hidden })
      for _, param in ipairs(e.params) do inner[param.name] = true end
      names(checker, e.body, outer, inner, visit)
      return false
    elseif e.tag == "Call" and outer then
      local signature = checker.functions[e.name] or {}
      for position, argument in ipairs(e.args) do
        if position ~= signature.element then names(checker, argument, outer, hidden, visit) end
      end
      return false
    end
  end)
end

local function free_names(checker, node, where, outer)
  local found, seen, leftmost = {}, {}, nil
  names(checker, node, outer, {}, function(name)
    if not leftmost or name.pos < leftmost.pos then leftmost = name end
    if not seen[name.name] and not bound(checker, where, name.name) then
      seen[name.name] = true
      found[#found + 1] = name
    end
  end)
  table.sort(found, function(a, b) return a.pos < b.pos end)
  return found, leftmost
end

local function to_lambda(node, param)
  return {
    tag = "Lambda", pos = node.pos, stop = node.stop, body = node, implicit = true,
    params = { { tag = "Name", name = param, pos = node.pos, stop = node.stop } },
  }
end

-- The name that stands for the element, or nil when the expression has none.
local function pick(checker, call, node, where)
  local free = free_names(checker, node, where, true)
  local all, leftmost = free_names(checker, node, where, false)
  if #free == 0 and #all == 1 then free = all end
  if #free > 1 then
    local list = {}
    for _, name in ipairs(free) do list[#list + 1] = "`" .. name.name .. "`" end
    checker.report(node, ("which of %s is the element of %s?"):format(table.concat(list, ", "), call.name),
      ("say it: %s(…, x => …)"):format(call.name))
    return free[1].name
  end
  return free[1] and free[1].name, leftmost
end

local function where_names(node, param)
  walk.expression(node, function(e)
    if e.tag == "Name" then e.tag, e.param = "WhereName", param end
    return e.tag ~= "Lambda"
  end)
end

local function prepare_where(checker, call)
  local signature = call.signature
  if not signature.where then
    checker.report(call.where, ("%s takes no WHERE"):format(call.name))
  end
  local lambda = to_lambda(call.where, "(element)")
  where_names(call.where, "(element)")
  call.args[signature.element or #call.args + 1] = lambda
  call.where = nil
end

local function check_parameters(checker, call, lambda)
  local count = #lambda.params
  if call.signature.reduce then
    if count ~= 2 then
      checker.report(lambda, call.name .. " takes a function of two names: (sum, x) => …")
    end
  elseif count > 2 or count == 0 then
    checker.report(lambda, "a function of a collection takes one name or two: x => …, (key, value) => …")
  end
end

--- Makes a Lambda of the call's element expression, where it has one.
---@param checker table
---@param call orchlua.Node   a Call with its `signature`
---@param where orchlua.Scope
function M.prepare(checker, call, where)
  local signature = call.signature
  if call.where then return prepare_where(checker, call) end
  local argument = signature.element and call.args[signature.element]
  if not argument then return end
  if argument.tag == "Lambda" then return check_parameters(checker, call, argument) end
  if signature.reduce then
    checker.report(argument, call.name .. " takes a function: (sum, x) => …")
    return
  end
  local name, leftmost = pick(checker, call, argument, where)
  if not name and signature.optional_element then return end
  if not name and leftmost then
    name = leftmost.name
    checker.warn(argument, ("every name here is known already; `%s` is taken as the element"):format(name),
      ("say it: %s(…, %s => …)"):format(call.name, name == "x" and "item" or "x"))
  end
  call.args[signature.element] = to_lambda(argument, name or "(element)")
end

return M
