-- Runs programs for the specs: compiles a text and drives it to its end, in
-- virtual time unless told otherwise, with agents given as functions.

local orchlua = require "orchlua"
local config = require "orchlua.config"

local M = {}

local function checked(options)
  local given = options.config or { agents = options.agents, events = options.events, functions = options.functions, defaults = options.defaults, policy = options.policy, limits = options.limits }
  return assert(config.check(given, options.folder or ".", "config"))
end

--- Compiles a text; on errors gives nil and the errors.
function M.compile(text, options)
  options = options or {}
  return orchlua.compile(text, { name = options.name or "spec.dsl", config = checked(options), known = options.known })
end

--- Starts a run; gives the run, its runtime, and the records it publishes.
function M.start(text, options)
  options = options or {}
  local program, wrong = M.compile(text, options)
  if not program then error(wrong[1].message .. " at line " .. tostring(wrong[1].line), 2) end
  local records = {}
  local rt = orchlua.runtime {
    config = checked(options), virtual_time = not options.real_time, seed = options.seed or 1, max_steps = options.max_steps,
    on_record = function(record) records[#records + 1] = record end,
  }
  local run, err = rt:start(program, { input = options.input, run_id = options.run_id, folder = options.folder })
  if not run then
    rt:close()
    return nil, err
  end
  return run, rt, records
end

--- Runs a program to its end; gives the run and what it published.
function M.run(text, options)
  local run, rt, records = M.start(text, options)
  if not run then return nil, rt end
  rt:loop(options and options.loop)
  rt:close()
  return run, records
end

--- The result of a program that completes.
function M.result(text, options)
  local run, err = M.run(text, options)
  if not run then error(tostring(err), 2) end
  if run.status ~= "completed" then
    error(("the run %s: %s (line %s)"):format(run.status, tostring(run.error), run.error and run.error.line), 2)
  end
  return run.result
end

--- The error of a program that fails.
function M.failure(text, options)
  local run, err = M.run(text, options)
  if not run then return err end
  if run.status ~= "failed" then error("the run " .. run.status, 2) end
  return run.error
end

--- The text of the result, as `{{ }}` inserts it.
function M.text(text, options)
  return require("orchlua.core").value.text(M.result(text, options))
end

return M
