-- The compiler: text in, Lua functions out. The passes in their order, each in
-- a file of its own. It knows nothing of the runtime: what compiled code needs
-- at run time it is handed when it is linked.

local check = require "orchlua.dsl.check"
local emit = require "orchlua.dsl.emit"
local grammar = require "orchlua.dsl.grammar"
local program = require "orchlua.dsl.program"
local source = require "orchlua.dsl.source"
local warnings = require "orchlua.dsl.warnings"

local M = {}

local SHOWN_AT_MOST = 100

-- A hint may be a function: the nearest name is looked for only where it is shown.
local function reporter(diagnostics, severity)
  return function(node, message, hint)
    diagnostics[#diagnostics + 1] = {
      severity = severity, pos = node.name_pos or node.pos, stop = node.stop, message = message, hint = hint,
    }
  end
end

-- The first of the errors and of the warnings, in the order of the source, each with
-- its line and column.
local function finish(diagnostics, text)
  for i, diagnostic in ipairs(diagnostics) do diagnostic.order = i end
  table.sort(diagnostics, function(a, b)
    if a.pos ~= b.pos then return a.pos < b.pos end
    return a.order < b.order
  end)
  local shown, count = {}, { error = 0, warning = 0 }
  for _, diagnostic in ipairs(diagnostics) do
    local severity, hint = diagnostic.severity, diagnostic.hint
    count[severity] = count[severity] + 1
    if count[severity] <= SHOWN_AT_MOST then
      diagnostic.line, diagnostic.column = text:position(diagnostic.pos)
      diagnostic.excerpt = text:excerpt(diagnostic.pos, diagnostic.stop)
      if type(hint) == "function" then diagnostic.hint = hint() end
      diagnostic.file = text.name
      shown[#shown + 1] = diagnostic
    end
  end
  return shown
end

--- The errors among diagnostics.
function M.errors(diagnostics)
  local found = {}
  for _, diagnostic in ipairs(diagnostics) do
    if diagnostic.severity == "error" then found[#found + 1] = diagnostic end
  end
  return found
end

---@class orchlua.CompileOptions
---@field name? string          the file's name, for messages
---@field functions table       signatures by name, as `orchlua.functions` has them
---@field methods table         signatures by name
---@field first_line? integer   where the program begins in its file
---@field edited? boolean       it may take over a run of another program
---@field known? { agent: fun(id): boolean, event: fun(name): boolean }  what a configuration knows, for warnings

local function compile(text, options, entry)
  local diagnostics = {}
  local parsed = source.new(text, options.name or "program", { first_line = options.first_line, indent = options.indent })
  local tree = grammar.parse(parsed, diagnostics)
  local checked
  if tree then
    checked = check.check(tree, {
      source = parsed, functions = options.functions, methods = options.methods,
      report = reporter(diagnostics, "error"), warn = reporter(diagnostics, "warning"),
    })
  end
  if #M.errors(diagnostics) > 0 then return nil, finish(diagnostics, parsed) end
  warnings.find(tree, checked, reporter(diagnostics, "warning"), options.known)
  local compiled = program.new(parsed, tree, checked, emit.emit(parsed, checked, entry, options.edited))
  local broken = compiled:load()
  if broken then reporter(diagnostics, "error")({ pos = 1, stop = 1 }, broken) end
  return not broken and compiled or nil, finish(diagnostics, parsed)
end

--- Compiles a program.
---@param text string
---@param options orchlua.CompileOptions
---@return orchlua.Program? program
---@return table[] diagnostics   errors and warnings `{severity, line, column, message, hint, excerpt, file}`
function M.compile(text, options)
  local compiled, diagnostics = compile(text, options)
  if compiled then
    compiled.with_entry = function(entry) return (compile(text, options, entry)) end
  end
  return compiled, diagnostics
end

return M
