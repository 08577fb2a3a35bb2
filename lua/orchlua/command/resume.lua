-- `orchlua resume RUN`: goes on with one run, as `run` would have. `orchlua resume --all`
-- goes on with every run that was cut off or that something is due for; `--wait` stays.

local config = require "orchlua.config"
local core = require "orchlua.core"
local diagnostics = require "orchlua.command.diagnostics"
local drive = require "orchlua.command.drive"
local errors = require "orchlua.error"
local output = require "orchlua.command.output"
local program = require "orchlua.command.program"
local progress = require "orchlua.command.progress"
local store = require "orchlua.command.store"
local terminal = require "orchlua.command.terminal"

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

-- All of them ------------------------------------------------------------------------------

local function silent()
  local function nothing() end
  return { record = nothing, call = nothing }
end

-- One line for each run as it ends or parks again.
local function told(options, run)
  if options.quiet then return end
  local how = run.status == "running" and "waits again" or run.status
  local text = ("%s  %s"):format(run.id, how)
  if run.error then text = text .. ": " .. terminal.clean(run.error.message) end
  io.stderr:write("orchlua: ", text, "\n")
end

-- Drives the due runs of one configuration until each of them has ended or only waits.
local function drive_group(options, group, stopped)
  local runtime, err = runtime_for(options, group.checked, silent())
  if not runtime then return err end
  local handles, driven = {}, {}
  for name in pairs { INT = true, TERM = true } do
    handles[name] = runtime.loop_handle:signal(name, function() stopped.by = name end)
  end
  for _, found in ipairs(group) do
    local run, problem = runtime:resume(found.id, { budget = options.budget })
    if run then
      driven[#driven + 1] = run
    elseif problem.type ~= "lease" then
      io.stderr:write(diagnostics.text(problem, diagnostics.painter()), "\n")
    end
  end
  runtime:loop { until_parked = true, stop = function() return stopped.by ~= nil end }
  for _, handle in pairs(handles) do handle:close() end
  runtime:close()
  for _, run in ipairs(driven) do
    told(options, run)
    if options.output == "json" then output.result(options, run, run.program) end
  end
end

-- Runs that are due, by the configuration that they began with.
local function groups_of(options, list)
  local groups, by_path = {}, {}
  for _, found in ipairs(list) do
    local path = options.config or (found.options.config ~= value.null and found.options.config) or ""
    local group = by_path[path]
    if not group then
      local checked, err = config_of(options, found)
      if not checked then
        io.stderr:write(diagnostics.text(err, diagnostics.painter()), "\n")
        checked = false
      end
      group = { checked = checked }
      by_path[path] = group
      if checked then groups[#groups + 1] = group end
    end
    group[#group + 1] = found
  end
  return groups
end

local SIGNALS = { INT = 130, TERM = 143 }

-- Waits until something is due: a timer of some run, a message, or a while.
local function wait_for_more(options, stopped)
  local runtime, err = store.existing(options)
  if not runtime then return err end
  local rung = false
  local bell = runtime.store:listen(runtime.loop_handle, function() rung = true end)
  local handles = {}
  for name in pairs(SIGNALS) do
    handles[#handles + 1] = runtime.loop_handle:signal(name, function() stopped.by = name end)
  end
  local last = core.loop.clock() + 10
  local due = math.min(last, runtime.store:next_due() or last)
  while not rung and not stopped.by and core.loop.clock() < due do
    runtime.loop_handle:turn(math.max(0, due - core.loop.clock()))
  end
  if bell then bell:close() end
  for _, handle in ipairs(handles) do handle:close() end
  runtime:close()
end

local function due_runs(options)
  local runtime, err = store.existing(options)
  if not runtime then return nil, err end
  local list, problem = runtime.store:due()
  runtime:close()
  return list, problem
end

local function resume_all(options)
  local stopped = {}
  repeat
    local list, err = due_runs(options)
    if not list then return drive.complain(err) end
    for _, group in ipairs(groups_of(options, list)) do
      local problem = not stopped.by and drive_group(options, group, stopped)
      if problem then return drive.complain(problem) end
    end
    if options.wait and #list == 0 and not stopped.by then wait_for_more(options, stopped) end
  until stopped.by or not options.wait
  return stopped.by and SIGNALS[stopped.by] or 0
end

--- `orchlua resume RUN | --all`.
---@param options table   as `arguments` reads them; `refused(err)` gives the status when the run is not to be had
---@return integer status
function M.main(options)
  return options.all and resume_all(options) or resume_one(options)
end

return M
