-- Compiling for this runtime: the passes of `dsl/`, given the functions and methods
-- that programs may call here.

local builtin_functions = require "orchlua.functions"
local builtin_methods = require "orchlua.functions.methods"
local dsl = require "orchlua.dsl"
local errors = require "orchlua.error"

local M = {}

--- The functions a program may call here: the built-in ones and the configuration's.
---@param checked? table   a checked configuration
---@return table<string, table>
function M.signatures(checked)
  local signatures = {}
  for name, signature in pairs(builtin_functions) do signatures[name] = signature end
  for name in pairs(checked and checked.functions or {}) do
    local known = builtin_functions[name]
    signatures[name] = { min = known and known.min or 0, max = known and known.max or math.huge, user = true }
  end
  return signatures
end

local function known_methods()
  local methods = {}
  for name, method in pairs(builtin_methods) do
    if type(method) == "table" then methods[name] = method end
  end
  return methods
end

--- Compiles a program.
---@param source string
---@param options? { name: string?, config: table?, first_line: integer?, indent: integer?, known: table?, edited: boolean? }
---  `config`: whose functions it may call, checked; `edited`: it may take over a run of another program
---@return orchlua.Program? program
---@return table[] diagnostics   when it fails, the errors `{file, line, column, message, hint}`; else the warnings. They print
---@return table[]? all          when it fails, errors and warnings
function M.compile(source, options)
  options = options or {}
  local program, diagnostics = dsl.compile(source, {
    name = options.name or "program", first_line = options.first_line, indent = options.indent, known = options.known, edited = options.edited,
    functions = M.signatures(options.config), methods = known_methods(),
  })
  errors.diagnostics(diagnostics)
  if program then return program, diagnostics end
  return nil, errors.diagnostics(dsl.errors(diagnostics)), diagnostics
end

return M
