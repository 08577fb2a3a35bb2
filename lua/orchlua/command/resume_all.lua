-- `orchlua resume --all`: goes on with every run that was cut off or that something is
-- due for; `--wait` stays. The runs of one configuration share a runtime. While some are
-- at work, others may become due: then all are looked for again, so that no run waits
-- for another one's agents.

local clock = require "orchlua.clock"
local core = require "orchlua.core"
local diagnostics = require "orchlua.command.diagnostics"
local drive = require "orchlua.command.drive"
local output = require "orchlua.command.output"
local progress = require "orchlua.command.progress"
local store = require "orchlua.command.store"
local subrun = require "orchlua.run.subrun"
local terminal = require "orchlua.command.terminal"

local value = core.value

local M = {}

-- Seconds after which runs are looked for again although nobody rang and none is due: a
-- driver may have died. And between two looks when there are more runs than one finds.
local LOOK_SECONDS, MORE_SECONDS = 10, 1
-- Seconds that one configuration's runs have before those of the next one.
local SLICE_SECONDS = 0.02

local SIGNALS = { INT = 130, TERM = 143 }

---@class orchlua.ResumeAll
---@field store orchlua.SqliteStore     that runs are looked for in
---@field groups table<string, table>   runtimes with the runs they drive, by the path of their configuration
---@field said table<string, string>    what was told of a run or a configuration that cannot be had: once
local All = {}
All.__index = All

local function complain(err) io.stderr:write(diagnostics.text(err, diagnostics.painter()), "\n") end

function All:complain_once(of, err)
  if self.said[of] == err.message then return end
  self.said[of] = err.message
  complain(err)
end

-- Whatever wakes this command wakes the loop that it is in.
local function listen(self, runtime)
  local handles = { (runtime.store:listen(runtime.loop_handle, function() self.rung = true end)) }
  for name in pairs(SIGNALS) do
    handles[#handles + 1] = runtime.loop_handle:signal(name, function() self.stopped = name end)
  end
  return handles
end

-- One line for each run as it ends or waits again.
local function told(options, run, how)
  if not options.quiet then
    io.stderr:write("orchlua: ", run.id, "  ", how, run.error and ": " .. terminal.clean(run.error.message) or "", "\n")
  end
  if options.output == "json" then output.result(options, run, run.program) end
end

-- Groups ------------------------------------------------------------------------------

local function path_of(options, found)
  local path = options.config or found.options.config
  return path ~= value.null and path or ""
end

-- The runs of a configuration; nil when it cannot be read.
local function group_of(self, found)
  local path = path_of(self.options, found)
  if self.groups[path] then return self.groups[path] end
  local checked, broken = self.config_of(self.options, found)
  if not checked then return self:complain_once(path, broken) end
  local view = progress.new { quiet = true, output = self.options.output }
  local runtime, err = self.runtime_for(self.options, checked, view)
  if not runtime then return self:complain_once(path, err) end
  view.attach(runtime)
  self.said[path] = nil
  local group = { runtime = runtime, path = path, handles = listen(self, runtime), driven = {} }
  self.groups[path] = group
  return group
end

local function take(self, found)
  local group = group_of(self, found)
  if not group then return end
  local run, err
  if found.parent then run, err = subrun.finish(group.runtime, found.id) else run, err = group.runtime:resume(found.id, { budget = self.options.budget }) end
  if not run then
    if err.type ~= "lease" then self:complain_once(found.id, err) end
    return
  end
  self.said[found.id] = nil
  group.driven[run] = true
  run.on_end = function()
    group.driven[run] = nil
    told(self.options, run, run.status)
  end
end

-- Lets a group go: its runs only wait, or the command was stopped.
local function close_group(self, group)
  local waiting = {}
  for run in pairs(group.driven) do waiting[#waiting + 1] = run end
  table.sort(waiting, function(a, b) return a.id < b.id end)
  for _, run in ipairs(waiting) do
    if not group.runtime.runs[run.id] then group.runtime.parking:wake(run.id) end
    run.on_end = nil
    told(self.options, run, run:parked() and "waits again" or "was stopped, and is kept")
  end
  for _, handle in ipairs(group.handles) do handle:close() end
  group.runtime:close()
  self.groups[group.path] = nil
end

-- So that a loop that waits wakes at a time.
local function set_alarm(runtime, time)
  return runtime.outside:after(math.max(0, time - core.loop.clock()), clock.TIMER, function() end)
end

-- Drives a group until its runs only wait; less long when something wakes the command,
-- or at a time.
local function drive_group(self, group, time)
  local runtime = group.runtime
  local alarm, paused
  runtime:loop {
    until_parked = true,
    stop = function()
      paused = self.stopped ~= nil or self.rung or core.loop.clock() >= time
      -- The loop's time may lag behind: then the alarm comes early, and is set again.
      if not paused and time < math.huge and not (alarm and clock.is_pending(alarm)) then alarm = set_alarm(runtime, time) end
      return paused
    end,
  }
  if alarm then runtime.outside:cancel(alarm) end
  if not paused or runtime.alive == 0 then close_group(self, group) end
end

local function drive_groups(self, time)
  while next(self.groups) and not self.stopped and not self.rung and core.loop.clock() < time do
    local several = next(self.groups, (next(self.groups))) ~= nil
    local list = {}
    for _, group in pairs(self.groups) do list[#list + 1] = group end
    for _, group in ipairs(list) do
      drive_group(self, group, several and math.min(time, core.loop.clock() + SLICE_SECONDS) or time)
    end
  end
end

-- Looking -----------------------------------------------------------------------------

-- Takes the runs that are due, so many at once; the time of the next look, nil when all of them have been seen.
local function look(self)
  local list, last = self.store:due(self.seen)
  if not list then return nil, last end
  self.seen = last
  for _, found in ipairs(list) do
    if self.stopped then break end
    take(self, found)
  end
  return true
end

-- Once: all that is due, part by part.
local function go_through(self)
  repeat
    local ok, err = look(self)
    if not ok then return err end
    repeat
      self.rung = false
      drive_groups(self, math.huge)
    until self.stopped or not next(self.groups)
  until self.stopped or not self.seen
end

local function next_look(self)
  local now = core.loop.clock()
  if self.seen then return now + MORE_SECONDS end
  return math.min(now + LOOK_SECONDS, self.store:next_due(now) or math.huge)
end

-- For ever. What is due is looked for when somebody rings, when a timer is due, and
-- from time to time.
local function stay(self)
  repeat
    self.rung = false
    local ok, err = look(self)
    if not ok then return err end
    local time = next_look(self)
    drive_groups(self, time)
    while not self.seen and not next(self.groups) and not self.rung and not self.stopped and core.loop.clock() < time do
      self.loop:turn(math.max(0, time - core.loop.clock()))
    end
  until self.stopped
end

--- `orchlua resume --all [--wait]`.
---@param options table   as `arguments` reads them
---@param how { config_of: fun(options, found), runtime_for: fun(options, checked, view) }   the configuration of a run, and a runtime with it
---@return integer status
function M.main(options, how)
  local watcher, err = store.existing(options)
  if not watcher then return drive.complain(err) end
  local self = setmetatable({
    options = options, store = watcher.store, loop = watcher.loop_handle, groups = {}, said = {}, rung = false,
    config_of = how.config_of, runtime_for = how.runtime_for,
  }, All)
  local handles = listen(self, watcher)
  err = (options.wait and stay or go_through)(self)
  for _, group in pairs(self.groups) do close_group(self, group) end
  for _, handle in ipairs(handles) do handle:close() end
  watcher:close()
  if err then return drive.complain(err) end
  return self.stopped and SIGNALS[self.stopped] or 0
end

return M
