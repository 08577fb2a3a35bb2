-- `orchlua run`: one program, from its file to the exit status. Standard output
-- carries the result and nothing else; progress and errors go to standard error.

local core = require "orchlua.core"
local diagnostics = require "orchlua.command.diagnostics"
local drive = require "orchlua.command.drive"
local errors = require "orchlua.error"
local program = require "orchlua.command.program"
local progress = require "orchlua.command.progress"
local store = require "orchlua.command.store"
local subrun = require "orchlua.run.subrun"
local typed = require "orchlua.command.typed"

local json, value = core.json, core.value

local M = {}

local complain = drive.complain

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

local function inputs_of(options)
  local inputs = {}
  if options.input_file then
    local err = input_file(options.input_file, inputs)
    if err then return nil, err end
  end
  for _, given in ipairs(options.input) do
    local read, err = typed.value(given.text, ("the input `%s`"):format(given.name))
    if read == nil then return nil, err end
    inputs[given.name] = read
  end
  return inputs
end

-- Preparing ------------------------------------------------------------------------

local function runtime_for(options, checked, view)
  return store.runtime(options, {
    config = checked, virtual_time = options.virtual_time, seed = options.seed, max_steps = options.max_steps,
    max_memory = options.max_memory, durability = options.durability,
    record = options.record, replay = options.replay, on_record = view.record, on_call = view.call, interrupted = view.interrupted,
    compile_file = program.compile_file, brief = options.output ~= "events",
  })
end

-- The program that asks agents: the one that is run, or one of its sub-runs whose file is named in a text. A file that cannot
-- be had, or does not compile, is an error where it is run.
local function asking(compiled, checked, seen)
  if compiled.asks then return compiled end
  for _, file in ipairs(compiled.files) do
    local path = compiled.folder .. "/" .. file
    local child = not seen[path] and subrun.compile_file(program, compiled.folder, file, checked)
    seen[path] = true
    local found = child and asking(child, checked, seen)
    if found then return found end
  end
end

-- A program that asks agents is refused before it starts when there are none.
local function without_agents(compiled, checked, options)
  if next(checked.agents) or options.replay then return nil end
  local found = asking(compiled, checked, {})
  if not found then return nil end
  return errors.new("usage", ("%s asks agents, and no configuration names any"):format(found.name), {
    hint = "write orchlua.config.lua beside it, or give one with --config: return { agents = { [\"*\"] = function(request) return \"…\" end } }; "
      .. "or set OPENAI_API_KEY, ANTHROPIC_API_KEY or OLLAMA_HOST: then every agent is that provider's model",
  })
end

local function check_times(options)
  if options.virtual_time and options.store and options.store ~= ":memory:" then
    return errors.new("usage", "--virtual-time is for runs in memory", { hint = "leave out --store" })
  end
end

-- Running ----------------------------------------------------------------------------

local function execute(options, chosen, compiled, checked, inputs)
  local view = progress.new(options)
  local runtime, broken = runtime_for(options, checked, view)
  if not runtime then return complain(broken) end
  local run, err = runtime:start(compiled, { input = inputs, run_id = options.run_id, folder = chosen.folder,
    budget = options.budget })
  if not run then
    runtime:close()
    return complain(err)
  end
  return drive.run(options, runtime, run, view)
end

--- `orchlua run FILE[#PROGRAM]`.
---@param options table   as `arguments` reads them
---@return integer status
function M.main(options)
  local refused = check_times(options)
  if refused then return complain(refused) end
  -- A replay is a test: in a store, `resume --all` would go on with one that stopped, and ask real agents.
  if options.replay then options.store = options.store or ":memory:" end
  local chosen, err = program.choose(options.file)
  if not chosen then return complain(err) end
  local inputs, problem = inputs_of(options)
  if not inputs then return complain(problem) end
  local checked, broken = program.config(chosen, options.config)
  if not checked then return complain(broken) end
  local compiled, found = program.compile(chosen, checked)
  local wrong, warned = program.split(found)
  if not compiled then
    diagnostics.show(wrong, io.stderr, diagnostics.painter())
    return drive.STATUS.usage
  end
  if not options.quiet then diagnostics.show(warned, io.stderr, diagnostics.painter()) end
  refused = without_agents(compiled, checked, options)
  if refused then return complain(refused) end
  return execute(options, chosen, compiled, checked, inputs)
end

return M
