-- Calls functions and methods of the language without a program: with a run that
-- counts its steps, a clock that stands still, and a seeded generator.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local functions = require "orchlua.functions"
local methods = require "orchlua.functions.methods"
local random = require "orchlua.random"

local value, json = core.value, core.json

local M = { null = value.null }

--- A run as functions see it.
function M.run(seed)
  local state = seed or 1
  local run = { steps = 0, id = "run-1", time = 1000.25, started = 990, inputs = value.object { "topic", topic = "bees" } }
  function run:charge(n) self.steps = self.steps + n end
  function run:now() return self.time end
  function run:elapsed(since) return self.time - (since or self.started) end
  function run.random()
    local number
    number, state = random.next(state)
    return number
  end
  return run
end

--- The value of a JSON text.
function M.of(text)
  local parsed, problem = json.decode(text)
  if parsed == nil then error(problem .. ": " .. text, 2) end
  return parsed
end

--- A function's result.
function M.call(name, ...)
  return functions[name].fn(M.run(), ...)
end

--- A function's result as JSON.
function M.text(name, ...)
  return assert(json.encode(M.call(name, ...)))
end

--- A method's result as JSON.
function M.method(name, self, ...)
  return assert(json.encode(methods[name].fn(M.run(), self, ...)))
end

local function failure(ok, raised)
  if ok then error("no error was raised", 3) end
  if not errors.is(raised) then error("not an error object: " .. tostring(raised), 3) end
  return raised
end

--- The error object that a function, or a method, raises.
function M.failure(name, ...)
  local ok, raised = pcall(functions[name].fn, M.run(), ...)
  return failure(ok, raised)
end

function M.method_failure(name, self, ...)
  local ok, raised = pcall(methods[name].fn, M.run(), self, ...)
  return failure(ok, raised)
end

--- What node prints as JSON for an expression of JavaScript, as a value; nil where
--- there is no node.
function M.node(expression)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write("process.stdout.write(JSON.stringify(", expression, "))")
  file:close()
  local pipe = assert(io.popen("env -u LD_PRELOAD node " .. path .. " 2>/dev/null"))
  local text = pipe:read "a"
  pipe:close()
  os.remove(path)
  if text ~= "" then return M.of(text) end
end

--- Whether there is a node to compare with.
function M.has_node()
  local found = M.node "1"
  return found == 1
end

return M
