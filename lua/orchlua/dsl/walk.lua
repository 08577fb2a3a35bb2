-- How to go through the syntax tree: for each statement the fields that hold
-- expressions and those that hold blocks, in the order of the source; for each
-- expression its parts. The passes after the grammar share this one list.

local M = {}

local expressions = {
  Input = { "default" }, State = { "value", "target" }, Update = { "value", "target" },
  Append = { "value", "target" }, Track = { "data" }, Budget = { "limits" }, While = { "cond" }, Foreach = { "list" },
  Switch = { "subject" }, Event = { "data" }, Await = { "timeout", "options" },
  Send = { "to", "message", "options" }, Share = { "name", "with" }, Persist = { "kind", "data" },
  Parallel = { "limit" }, Branch = { "label" }, Wait = { "seconds" }, Return = { "value" }, Fail = { "value" },
}

--- Calls `visit(expression)` for each expression of the statement's own header.
---@param statement orchlua.Node
---@param visit fun(expression: orchlua.Node)
function M.header(statement, visit)
  for _, field in ipairs(expressions[statement.tag] or {}) do
    if statement[field] then visit(statement[field]) end
  end
  if statement.tag == "If" then
    for _, clause in ipairs(statement.clauses) do visit(clause.cond) end
  elseif statement.tag == "Switch" then
    for _, case in ipairs(statement.cases) do
      for _, value in ipairs(case.values) do visit(value) end
    end
  elseif statement.tag == "Await" and statement.from then
    visit(statement.from.value)
  end
end

--- Gives the statement's blocks, in the order of the source.
---@param statement orchlua.Node
---@return orchlua.Node[][]
function M.blocks(statement)
  local found = {}
  local function add(block) if block then found[#found + 1] = block end end
  for _, clause in ipairs(statement.clauses or statement.cases or {}) do add(clause.body) end
  add(statement.body)
  if statement.tag == "Try" then
    if statement.catch then add(statement.catch.body) end
    add(statement.finally)
  end
  add(statement.otherwise)
  add(statement.default)
  add(statement.on_timeout)
  return found
end

local parts = {
  Template = function(e, visit)
    for _, part in ipairs(e.parts) do if type(part) == "table" then visit(part) end end
  end,
  Array = function(e, visit) for _, item in ipairs(e.items) do visit(item) end end,
  Object = function(e, visit)
    for _, entry in ipairs(e.entries) do
      if type(entry.key) == "table" then visit(entry.key) end
      visit(entry.value)
    end
  end,
  Field = function(e, visit) return visit(e.object) end,
  Index = function(e, visit)
    visit(e.index)
    return visit(e.object)
  end,
  Call = function(e, visit)
    for _, argument in ipairs(e.args) do visit(argument) end
    if e.where then visit(e.where) end
  end,
  Method = function(e, visit)
    for _, argument in ipairs(e.args) do visit(argument) end
    return visit(e.object)
  end,
  Lambda = function(e, visit) visit(e.body) end,
  Unary = function(e, visit) visit(e.operand) end,
  Conditional = function(e, visit) visit(e.cond) visit(e.yes) visit(e.no) end,
}

--- Calls `visit(part)` for each direct part of an expression. A chain of binary
--- operators, which may be thousands of terms long, counts as one level; down a chain
--- of fields, elements and methods go tail calls.
---@param expression orchlua.Node
---@param visit fun(part: orchlua.Node)
function M.parts(expression, visit)
  if expression.tag == "Binary" then
    for _, term in ipairs(M.chain(expression)) do visit(term) end
  elseif parts[expression.tag] then
    return parts[expression.tag](expression, visit)
  end
end

--- The terms of a left-leaning chain of binary operators, left to right.
---@param binary orchlua.Node
---@return orchlua.Node[] terms
---@return orchlua.Node[] operators  the Binary nodes, innermost first: `operators[i]` joins what came before with `terms[i + 1]`
function M.chain(binary)
  local reversed, node = {}, binary
  while node.tag == "Binary" do
    reversed[#reversed + 1] = node
    node = node.left
  end
  local terms, operators = { node }, {}
  for i = #reversed, 1, -1 do
    operators[#operators + 1] = reversed[i]
    terms[#terms + 1] = reversed[i].right
  end
  return terms, operators
end

--- The nodes that are links of a chain `a.b[c].d()`.
M.link = { Field = true, Index = true, Method = true }

--- What a chain starts from, and its links from there on. A chain in parentheses that `?.` may cut short is a start.
---@param node orchlua.Node
---@return orchlua.Node start
---@return orchlua.Node[] links
function M.links(node)
  local reversed, links = {}, {}
  repeat
    reversed[#reversed + 1] = node
    node = node.object
  until not M.link[node.tag] or node.closed
  for i = #reversed, 1, -1 do links[#links + 1] = reversed[i] end
  return node, links
end

--- Calls `visit(statement)` for each statement of a block and of the blocks in it.
--- A `visit` that returns false keeps out of that statement's blocks.
---@param block orchlua.Node[]
---@param visit fun(statement: orchlua.Node): boolean?
function M.statements(block, visit)
  for _, statement in ipairs(block) do
    if visit(statement) ~= false then
      for _, inner in ipairs(M.blocks(statement)) do M.statements(inner, visit) end
    end
  end
end

--- Calls `visit(expression)` for an expression and everything in it, outside in.
--- A `visit` that returns false keeps out of that expression's parts.
---@param expression orchlua.Node
---@param visit fun(expression: orchlua.Node): boolean?
function M.expression(expression, visit)
  if visit(expression) == false then return end
  return M.parts(expression, function(part) return M.expression(part, visit) end)
end

--- The Name that a path starts from.
---@param path orchlua.Node
---@return orchlua.Node
function M.root(path)
  while path.tag ~= "Name" do path = path.object end
  return path
end

return M
