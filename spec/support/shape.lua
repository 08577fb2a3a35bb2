-- Parses texts for the specs of the grammar, and writes trees in a short form
-- that reads like the program: `If(a){Wait(1)}`.

local grammar = require "orchlua.dsl.grammar"
local source = require "orchlua.dsl.source"

local M = {}

local e = {}

--- An expression in short: every operator in parentheses.
function M.expression(node) return e[node.tag](node) end

local function list(nodes)
  local found = {}
  for i, node in ipairs(nodes) do found[i] = M.expression(node) end
  return table.concat(found, ", ")
end

function e.Null() return "null" end
function e.Boolean(n) return tostring(n.value) end
function e.Number(n) return ("%.17g"):format(n.value) end
function e.String(n) return ("%q"):format(n.value):gsub("\\\n", "\\n") .. "" end
function e.Name(n) return n.name end
function e.Template(n)
  local parts = {}
  for i, part in ipairs(n.parts) do
    parts[i] = type(part) == "string" and e.String { value = part }:sub(2, -2) or "{{" .. M.expression(part) .. "}}"
  end
  return '"' .. table.concat(parts) .. '"'
end
function e.Array(n) return "[" .. list(n.items) .. "]" end
function e.Object(n)
  local entries = {}
  for i, entry in ipairs(n.entries) do
    entries[i] = (type(entry.key) == "string" and entry.key or M.expression(entry.key)) .. ": " .. M.expression(entry.value)
  end
  return "{" .. table.concat(entries, ", ") .. "}"
end
function e.Field(n) return M.expression(n.object) .. (n.optional and "?." or ".") .. n.name end
function e.Index(n) return M.expression(n.object) .. "[" .. M.expression(n.index) .. "]" end
function e.Call(n)
  return n.name .. "(" .. list(n.args) .. (n.order and " " .. n.order or "") .. (n.where and " where " .. M.expression(n.where) or "") .. ")"
end
function e.Method(n) return M.expression(n.object) .. (n.optional and "?." or ".") .. n.name .. "(" .. list(n.args) .. ")" end
function e.Lambda(n) return "(" .. list(n.params) .. ") => " .. M.expression(n.body) end
function e.Unary(n) return "(" .. n.op .. " " .. M.expression(n.operand) .. ")" end
function e.Binary(n) return "(" .. M.expression(n.left) .. " " .. n.op .. " " .. M.expression(n.right) .. ")" end
function e.Conditional(n) return "(" .. M.expression(n.cond) .. " ? " .. M.expression(n.yes) .. " : " .. M.expression(n.no) .. ")" end

local s = {}

function M.block(block)
  local found = {}
  for i, node in ipairs(block) do found[i] = node.tag .. s[node.tag](node) end
  return table.concat(found, " ")
end

local function body(block) return "{" .. M.block(block) .. "}" end
local function one(field)
  return function(n) return n[field] and "(" .. M.expression(n[field]) .. ")" or "" end
end
local function condition(n) return "(" .. M.expression(n.cond) .. ")" .. body(n.body) end
local function assignment(n) return "(" .. M.expression(n.target) .. " = " .. M.expression(n.value) .. ")" end

function s.Heading(n) return "(" .. n.text .. ")" end
function s.Input(n) return "(" .. n.name.name .. (n.default and " = " .. M.expression(n.default) or "") .. ")" end
s.State, s.Update = assignment, assignment
function s.Append(n) return "(" .. M.expression(n.target) .. ", " .. M.expression(n.value) .. ")" end
s.Track, s.Wait, s.Return, s.Fail = one "data", one "seconds", one "value", one "value"
function s.If(n)
  local clauses = {}
  for i, clause in ipairs(n.clauses) do clauses[i] = condition(clause) end
  return table.concat(clauses) .. (n.otherwise and " else " .. body(n.otherwise) or "")
end
s.While = condition
function s.Foreach(n)
  return "(" .. (n.key and n.key.name .. ", " or "") .. n.var.name .. " IN " .. M.expression(n.list) .. ")" .. body(n.body)
end
function s.Break() return "" end
s.Continue = s.Break
function s.Switch(n)
  local text = "(" .. M.expression(n.subject) .. ")"
  for _, case in ipairs(n.cases) do text = text .. " " .. list(case.values) .. body(case.body) end
  return text .. (n.default and " default " .. body(n.default) or "")
end
function s.Event(n) return "(" .. n.name .. (n.data and " " .. M.expression(n.data) or "") .. (n.as and " AS " .. n.as.name or "") .. ")" end
function s.Await(n)
  local from = n.from and ("(%s %s)"):format(n.from.mode, M.expression(n.from.value)) or ""
  local head = n.options and "(" .. M.expression(n.options) .. " AS " .. n.as.name .. ")" or "(" .. n.var.name .. ")"
  return head .. from .. (n.timeout and "(timeout " .. M.expression(n.timeout) .. ")" or "")
    .. (n.body and body(n.body) or "") .. (n.on_timeout and " timeout " .. body(n.on_timeout) or "")
end
function s.Send(n) return n.options and one "options"(n) or "(" .. M.expression(n.to) .. ", " .. M.expression(n.message) .. ")" end
function s.Share(n) return "(" .. n.name.name .. " WITH " .. M.expression(n.with) .. ")" end
function s.Persist(n) return "(" .. M.expression(n.kind) .. " " .. M.expression(n.data) .. ")" end
function s.Parallel(n) return (n.limit and "(" .. M.expression(n.limit) .. ")" or "") .. body(n.body) end
function s.Branch(n) return (n.label and "(" .. M.expression(n.label) .. ")" or "") .. body(n.body) end
function s.Try(n)
  local catch = n.catch and " catch " .. (n.catch.var and n.catch.var.name .. " " or "") .. body(n.catch.body) or ""
  return body(n.body) .. catch .. (n.finally and " finally " .. body(n.finally) or "")
end

--- Parses a text, right or wrong; gives the program, what was reported, and the source.
function M.broken(text, options)
  local parsed, diagnostics = source.new(text, "t", options), {}
  return grammar.parse(parsed, diagnostics), diagnostics, parsed
end

--- The errors of a text as `line:column message`, with `[hint]` behind on demand.
function M.errors(text, hints)
  local _, diagnostics, parsed = M.broken(text)
  local found = {}
  for i, diagnostic in ipairs(diagnostics) do
    local line, column = parsed:position(diagnostic.pos)
    found[i] = ("%d:%d %s%s"):format(line, column, diagnostic.message, hints and (" [%s]"):format(diagnostic.hint or "") or "")
  end
  return found
end

--- Parses a text that is right.
function M.parse(text)
  local found = M.errors(text)
  if #found > 0 then error(table.concat(found, "\n"), 2) end
  return (M.broken(text))
end

--- The statements of a text that is right, in short.
function M.tree(text)
  return M.block(M.parse(text).body)
end

--- The value of `STATE x = …`, in short.
function M.value(text)
  return M.expression(M.parse("STATE x = " .. text).body[1].value)
end

return M
