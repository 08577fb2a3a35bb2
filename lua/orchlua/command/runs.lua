-- `orchlua runs`: what ran, the latest first; `--prune` deletes what ended long ago.

local core = require "orchlua.core"
local drive = require "orchlua.command.drive"
local output = require "orchlua.command.output"
local spending = require "orchlua.command.spending"
local stdout = require "orchlua.command.stdout"
local store = require "orchlua.command.store"
local terminal = require "orchlua.command.terminal"

local json, value = core.json, core.value
local null = value.null

local M = {}

local DAY = 86400
-- Runs that are listed unless --limit says another number.
local LISTED = 50

--- How a run stands, in one word: `parked` runs wait with nobody needed meanwhile, and
--- nobody drives those that were `cut off`.
---@param run table       a row of the store
---@param holder string?  who drives it
function M.status(run, holder)
  if run.status ~= "running" then return run.status end
  if run.due then return "parked" end
  return holder and "running" or "cut off"
end

local function when(time)
  return os.date("%Y-%m-%d %H:%M:%S", math.floor(time))
end
M.when = when

local function due_text(run)
  if not run.due then return "" end
  if run.due == math.huge then return "until a signal comes" end
  local left = run.due - core.loop.clock()
  return left > 0 and "for " .. terminal.seconds(left) or "due now"
end

local painted = { completed = "green", failed = "red", cancelled = "yellow", parked = "cyan", running = "bold", ["cut off"] = "yellow" }

-- Columns of the ids at least, and at most.
local LEAST_ID, MOST_ID = 10, 24

local function id_width(list)
  local width = LEAST_ID
  for _, run in ipairs(list) do width = math.max(width, terminal.width(run.id)) end
  return math.min(width, MOST_ID)
end

-- How many steps a run took is known when it has come to rest.
local function steps_of(run)
  local resting = run.shown ~= "running" and run.shown ~= "cut off"
  return resting and run.steps or nil
end

local function line(run, paint, ids, width)
  local status = run.shown
  local usage = spending.of_row(run)
  local note = status == "failed" and run.outcome and json.decode(run.outcome).message or due_text(run)
  if usage and usage.tokens > 0 then note = ("%s tokens%s%s"):format(spending.tokens(usage.tokens), note ~= "" and ", " or "", note) end
  local id = terminal.padded(terminal.clean(run.id), ids)
  local text = ("%s %s %s  %5s  %s%s"):format(id, paint(painted[status], ("%-9s"):format(status)), when(run.created), steps_of(run) or "-",
    terminal.clean(run.title), note ~= "" and "  " .. terminal.clean(note) or "")
  return terminal.shorten(text, width)
end

local function as_json(run)
  return output.object {
    { "run_id", run.id }, { "program", run.title }, { "file", run.file }, { "status", run.shown }, { "started", run.created }, { "changed", run.changed },
    { "due", run.due and (run.due == math.huge and null or run.due) }, { "steps", steps_of(run) }, { "parent", run.parent }, { "driver", run.holder },
    { "usage", spending.of_row(run) },
  }
end

local function show(options, list)
  if options.output == "json" then
    local objects = value.array {}
    for i, run in ipairs(list) do objects[i] = as_json(run) end
    stdout:write(output.encoded(objects, 2), "\n")
    return
  end
  if #list == 0 then return stdout:write "no runs\n" end
  local paint, width = terminal.painter(terminal.is_terminal(1)), terminal.is_terminal(1) and (core.terminal.size(1) or 80) + 20 or 200
  local ids = id_width(list)
  stdout:write(("%s %-9s %-19s  %5s  %s\n"):format(terminal.padded("run", ids), "status", "started", "steps", "program"))
  for _, run in ipairs(list) do stdout:write(line(run, paint, ids, width), "\n") end
end

local function prune(options, runtime)
  local days = options.older_than or runtime.store.retention.days
  local count, err = runtime.store:prune(core.loop.clock() - days * DAY)
  if not count then return drive.complain(err) end
  if options.output == "json" then
    stdout:write(json.encode(output.object { { "pruned", count } }), "\n")
  else
    stdout:write(("%d run%s deleted that ended more than %g days ago\n"):format(count, count == 1 and "" or "s", days))
  end
  return 0
end

-- The latest runs that stand as is asked for. Those that are parked, cut off or running are all running ones to the store: how
-- many of them must be looked at is not known before.
local function listed(runs_store, wanted, limit)
  local shown = wanted and wanted:gsub("%-", " ")
  local kept = (shown == "parked" or shown == "cut off") and "running" or wanted
  local asked = limit
  while true do
    local list, err = runs_store:list { status = kept, limit = asked }
    if not list then return nil, err end
    local found = {}
    for _, run in ipairs(list) do
      run.holder = runs_store:holder(run)
      run.shown = M.status(run, run.holder)
      if #found < limit and (not shown or run.shown == shown) then found[#found + 1] = run end
    end
    if #found == limit or #list < asked then return found end
    asked = asked * 8
  end
end

--- `orchlua runs`.
function M.main(options)
  local runtime <close> , err = store.existing(options)
  if not runtime then return drive.complain(err) end
  if options.prune then return prune(options, runtime) end
  local list, problem = listed(runtime.store, options.status, options.limit or LISTED)
  if not list then return drive.complain(problem) end
  show(options, list)
  return 0
end

return M
