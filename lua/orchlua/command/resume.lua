-- `orchlua resume RUN`: goes on with one run, as `run` would have. `resume --all` is in
-- `resume_all.lua`.

local config = require "orchlua.config"
local core = require "orchlua.core"
local diagnostics = require "orchlua.command.diagnostics"
local drive = require "orchlua.command.drive"
local errors = require "orchlua.error"
local program = require "orchlua.command.program"
local progress = require "orchlua.command.progress"
local resume_all = require "orchlua.command.resume_all"
local store = require "orchlua.command.store"

local value = core.value

local M = {}

-- The configuration of a run: the one it began with, unless another is given.
local function config_of(options, found)
  local path = options.config or found.options.config
  if path and path ~= value.null then return config.load(path) end
  return config.default()
end

local function runtime_for(options, checked, view)
  return store.runtime(options, {
    config = checked, max_steps = options.max_steps, max_memory = options.max_memory, durability = options.durability,
    on_record = view.record, on_call = view.call, interrupted = view.interrupted,
    compile_file = program.compile_file, record = options.record, record_more = true, replay = options.replay,
    brief = options.output ~= "events",
  })
end

-- Finds a run, on a runtime that is only for looking.
local function look(options, id)
  local runtime, err = store.existing(options)
  if not runtime then return nil, err end
  local found, problem = runtime.store:find(id)
  runtime:close()
  return found, problem
end

-- A corrected program: its text, compiled under the run's configuration.
local function corrected(options, checked)
  if not options.program then return nil end
  local chosen, err = program.choose(options.program)
  if not chosen then return nil, err end
  local compiled, found = program.compile(chosen, checked, true)
  if compiled then return compiled end
  diagnostics.show(program.split(found), io.stderr, diagnostics.painter())
  return nil, errors.new("usage", ("%s does not compile"):format(options.program))
end

local function resume_one(options)
  local found, err = look(options, options.run)
  if not found then return drive.complain(err) end
  local checked, broken = config_of(options, found)
  if not checked then return drive.complain(broken) end
  local edited, wrong = corrected(options, checked)
  if wrong then return drive.complain(wrong) end
  local view = progress.new(options)
  local runtime, problem = runtime_for(options, checked, view)
  if not runtime then return drive.complain(problem) end
  local run, refused = runtime:resume(options.run, { program = edited, budget = options.budget })
  if not run then
    runtime:close()
    return (options.refused or drive.complain)(refused)
  end
  return drive.run(options, runtime, run, view)
end

--- `orchlua resume RUN | --all`.
---@param options table   as `arguments` reads them; `refused(err)` gives the status when the run is not to be had
---@return integer status
function M.main(options)
  if options.all then return resume_all.main(options, { config_of = config_of, runtime_for = runtime_for }) end
  return resume_one(options)
end

return M
