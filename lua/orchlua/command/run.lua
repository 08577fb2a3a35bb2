-- `orchlua run`: one program, from its file to the exit status. Standard output
-- carries the result and nothing else; progress and errors go to standard error.

local core = require "orchlua.core"
local diagnostics = require "orchlua.command.diagnostics"
local errors = require "orchlua.error"
local orchlua = require "orchlua"
local output = require "orchlua.command.output"
local policy = require "orchlua.policy"
local program = require "orchlua.command.program"
local progress = require "orchlua.command.progress"

local json, value = core.json, core.value

local M = {}

-- The exit statuses of `interfaces.md`.
local STATUS = { completed = 0, failed = 1, usage = 2, cancelled = 3, parked = 4 }
local SIGNALS = { INT = 130, TERM = 143 }

local function complain(err)
  io.stderr:write(diagnostics.text(err, diagnostics.painter()), "\n")
  return STATUS.usage
end

-- Inputs -------------------------------------------------------------------------

local function input_file(path, inputs)
  local file, message = io.open(path, "rb")
  if not file then return errors.new("usage", "cannot read the inputs: " .. message) end
  local text = file:read "a"
  file:close()
  local decoded, problem, at = json.decode(text or "")
  if value.kind(decoded) ~= "object" then
    return errors.new("usage", ("%s is no JSON object of inputs%s"):format(path, problem and (": %s at byte %d"):format(problem, at or 0) or ""))
  end
  for _, name in ipairs(decoded) do inputs[name] = decoded[name] end
end

-- VALUE is JSON, or else text.
local function inputs_of(options)
  local inputs = {}
  if options.input_file then
    local err = input_file(options.input_file, inputs)
    if err then return nil, err end
  end
  for _, given in ipairs(options.input) do
    local decoded = json.decode(given.text)
    if decoded == nil then decoded = value.utf8(given.text) end
    inputs[given.name] = decoded
  end
  return inputs
end

-- Preparing ------------------------------------------------------------------------

local function split(found)
  local wrong, warned = {}, {}
  for _, diagnostic in ipairs(found) do
    local list = diagnostic.severity == "error" and wrong or warned
    list[#list + 1] = diagnostic
  end
  return wrong, warned
end

-- Compiles the file of a sub-run, which lies in the folder of the program that asks for it.
local function compile_file(folder, file, checked)
  local path = folder .. "/" .. file
  local chosen, err = program.choose(path)
  if not chosen then return nil, errors.new("event", err.message) end
  local compiled, found = program.compile(chosen, checked)
  if compiled then return compiled end
  local first = split(found)[1]
  return nil, errors.new("event", ("%s:%d:%d: %s"):format(path, first.line, first.column, first.message))
end

local function runtime_for(options, checked, view)
  return orchlua.runtime {
    config = checked, virtual_time = options.virtual_time, seed = options.seed, max_steps = options.max_steps,
    on_record = view.record, on_call = view.call, interrupted = view.interrupted, compile_file = compile_file,
  }
end

-- A program that asks agents is refused before it starts when there are none.
local function without_agents(compiled, checked)
  if not compiled.asks or next(checked.agents) then return nil end
  return errors.new("usage", ("%s asks agents, and no configuration names any"):format(compiled.name), {
    hint = "write orchlua.config.lua beside it, or give one with --config: return { agents = { [\"*\"] = function(request) return \"…\" end } }",
  })
end

local function check_store(options)
  if options.store and options.store ~= ":memory:" then
    return errors.new("usage", ("this release keeps runs in memory only; it cannot open the store `%s`"):format(options.store),
      { hint = "leave out --store" })
  end
end

-- Running ----------------------------------------------------------------------------

-- Ctrl-C cancels the run, so that its FINALLY blocks run; a second one ends it at once.
local function watch_signals(runtime, run, view)
  local stopped = {}
  for name, status in pairs(SIGNALS) do
    stopped[name] = runtime.loop_handle:signal(name, function()
      if stopped.status then
        runtime:close()
        os.exit(status, false)
      end
      stopped.status = status
      view.stopping(name)
      run:deliver { kind = "cancel", reason = "stopped by SIG" .. name }
    end)
  end
  return stopped
end

local function drive(options, runtime, run, view)
  local stopped = watch_signals(runtime, run, view)
  view.attach(runtime, run)
  runtime:loop { until_parked = options.until_parked }
  stopped.status = stopped.status or SIGNALS[runtime.loop_handle:pending_signal()]
  view.close()
  for name in pairs(SIGNALS) do stopped[name]:close() end
  return stopped.status
end

local function exit_status(run, stopped)
  if stopped then return stopped end
  if run.status == "running" then return STATUS.parked end
  return STATUS[run.status]
end

local function tell_end(options, run, stopped)
  if run.status == "failed" then
    io.stderr:write(diagnostics.text(run.error, diagnostics.painter()), "\n")
    if run.error.trace and os.getenv "ORCHLUA_TRACE" then io.stderr:write(run.error.trace, "\n") end
  elseif run.status == "running" and not options.quiet then
    io.stderr:write(("orchlua: run %s only waits for a timer or a signal; in memory, it ends here\n"):format(run.id))
  elseif stopped then
    io.stderr:write(("orchlua: run %s was stopped by a signal\n"):format(run.id))
  elseif run.status == "cancelled" and not options.quiet then
    io.stderr:write(("orchlua: run %s was cancelled%s\n"):format(run.id, run.error and ": " .. run.error.message or ""))
  end
end

local function execute(options, chosen, compiled, checked, inputs)
  local view = progress.new(options)
  local runtime = runtime_for(options, checked, view)
  local run, err = runtime:start(compiled, {
    input = inputs, run_id = options.run_id, folder = chosen.folder, policy = policy.narrow(checked, chosen.front),
  })
  if not run then
    runtime:close()
    return complain(err)
  end
  local stopped = drive(options, runtime, run, view)
  output.result(options, run, compiled)
  tell_end(options, run, stopped)
  runtime:close()
  return exit_status(run, stopped)
end

--- `orchlua run FILE[#PROGRAM]`.
---@param options table   as `arguments` reads them
---@return integer status
function M.main(options)
  local refused = check_store(options)
  if refused then return complain(refused) end
  local chosen, err = program.choose(options.file)
  if not chosen then return complain(err) end
  local inputs, problem = inputs_of(options)
  if not inputs then return complain(problem) end
  local checked, broken = program.config(chosen, options.config)
  if not checked then return complain(broken) end
  local compiled, found = program.compile(chosen, checked)
  local wrong, warned = split(found)
  if not compiled then
    diagnostics.show(wrong, io.stderr, diagnostics.painter())
    return STATUS.usage
  end
  if not options.quiet then diagnostics.show(warned, io.stderr, diagnostics.painter()) end
  refused = without_agents(compiled, checked)
  if refused then return complain(refused) end
  return execute(options, chosen, compiled, checked, inputs)
end

return M
