-- The public module: compile programs, run them, and what agents and handlers in
-- Lua may wait for. Everything else is behind it; the reading order is
-- `dsl/init.lua` (compiling), `runtime.lua` (the runs of a process), `run/init.lua` (one run).

local compiler = require "orchlua.compiler"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local io = require "orchlua.io"
local keys = require "orchlua.keys"
local literate = require "orchlua.dsl.literate"
local patterns = require "orchlua.patterns"
local runtime = require "orchlua.runtime"
local task = require "orchlua.task"

local value = core.value

local M = { null = value.null, _VERSION = "0.1.0" }

--- Compiles a program.
---@param source string
---@param options? { name: string?, config: table?, first_line: integer?, indent: integer?, known: table? }  `config`: whose functions it may call, checked
---@return orchlua.Program? program
---@return table[] diagnostics   when it fails, the errors `{file, line, column, message, hint}`; else the warnings. They print
---@return table[]? all          when it fails, errors and warnings
function M.compile(source, options)
  if type(source) ~= "string" then error("orchlua.compile takes the program's text", 2) end
  return compiler.compile(source, options)
end

-- The text of a program that calls a pattern: a parameter that is not given is null, as if left out.
local function pattern_source(pattern)
  local inputs, fields = {}, {}
  for i, name in ipairs(keys.sorted(pattern.params)) do
    inputs[i] = ("INPUT %s = null\n"):format(name)
    fields[i] = ("%s: %s"):format(name, name)
  end
  return ("%sEVENT pattern:%s {%s} AS outcome\nRETURN outcome.result\n"):format(table.concat(inputs), pattern.name, table.concat(fields, ", "))
end

--- A program that calls one pattern; its inputs are the pattern's parameters, its result is the pattern's:
--- `rt:start(orchlua.pattern "consensus", { input = { participants = …, proposal = … } })`.
---@param name string
---@param options? { patterns: table? }   the configuration's `patterns`, for one of those
---@return orchlua.Program? program, orchlua.Error? err
function M.pattern(name, options)
  local pattern, err = patterns.find(name, options and options.patterns)
  if not pattern then return nil, err end
  local program, wrong = compiler.compile(pattern_source(pattern), { name = "pattern:" .. name })
  if program then return program end
  return nil, errors.new("pattern", ("the pattern `%s` cannot be called from Lua: %s"):format(name, wrong[1].message))
end

--- Makes a runtime; `orchlua.runtime { config = { agents = … } }`.
M.runtime = runtime.new

--- The programs of a Markdown file.
M.literate = literate

--- Makes an array of the items of `t`, or an object of its `{key, value}` pairs in their order.
---@param t? any[]
function M.array(t)
  return assert(value.from_lua(value.array(t or {})))
end

---@param pairs_list? { [1]: string, [2]: any }[]
function M.object(pairs_list)
  local object = value.object {}
  for _, pair in ipairs(pairs_list or {}) do
    local key = tostring(pair[1])
    if object[key] == nil then object[#object + 1] = key end
    object[key] = pair[2]
  end
  return assert(value.from_lua(object))
end

--- Sets a key of an object, behind the others when it is new.
---@param object table
---@param key string
---@param v any
---@return table object
function M.set(object, key, v)
  if object[key] == nil then object[#object + 1] = key end
  object[key] = v
  return object
end

-- Inside agents and handlers ---------------------------------------------------

-- What a pattern calls instead.
local IN_A_PATTERN = { ["orchlua.ask"] = "; a pattern asks with flow:ask", ["orchlua.sleep"] = "; a pattern waits with flow:wait" }

local function context(what)
  local found = task.context()
  if not found then error(("%s is for agents and event handlers%s"):format(what, IN_A_PATTERN[what] or ""), 3) end
  return found
end

-- Virtual time stands still while something outside the process is in flight.
local function outside(found, work, options)
  local clock = found.runtime.clock
  clock:hold()
  local held <close> = setmetatable({}, { __close = function() clock:release() end })
  return work(found.runtime.loop_handle, options, held)
end

--- Waits without stopping anything else.
---@param seconds number
function M.sleep(seconds)
  context("orchlua.sleep").runtime:sleep(seconds)
end

--- Asks another agent; gives its answer as it gave it, or nil and the error.
---@param agent_id string
---@param prompt string
function M.ask(agent_id, prompt)
  local found = context "orchlua.ask"
  return found.runtime:ask(found, agent_id, prompt)
end

--- An HTTP request: `orchlua.http { url = …, method = …, headers = …, body = …, json = …, timeout = … }`.
function M.http(options)
  return outside(context "orchlua.http", io.http, options)
end

--- Runs a program: `orchlua.exec { "prog", "arg", stdin = …, timeout = … }`.
function M.exec(options)
  return outside(context "orchlua.exec", io.exec, options)
end

return M
