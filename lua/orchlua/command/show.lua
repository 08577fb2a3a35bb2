-- `orchlua show RUN`: how a run stands, where its branches are, what is in flight, and
-- what its names hold.

local budget = require "orchlua.run.budget"
local core = require "orchlua.core"
local diagnostics = require "orchlua.command.diagnostics"
local drive = require "orchlua.command.drive"
local keys = require "orchlua.keys"
local look = require "orchlua.command.look"
local output = require "orchlua.command.output"
local in_flight = require "orchlua.run.in_flight"
local runs = require "orchlua.command.runs"
local spending = require "orchlua.command.spending"
local stdout = require "orchlua.command.stdout"
local terminal = require "orchlua.command.terminal"

local json, value = core.json, core.value

local M = {}

local VALUE_WIDTH = 60

local function sorted(map)
  local result = {}
  for i, key in ipairs(keys.sorted(map)) do result[i] = map[key] end
  return result
end

-- What a branch waits for, in words.
local function waits_for(run, branch)
  local wait = branch.wait
  if not wait then return "is at work" end
  if wait.agent_id then return ("waits for %s (request %d, try %d)"):format(wait.agent_id, wait.number, wait.attempt) end
  local left = wait.at and wait.at - run.clock:now()
  local until_when = left and (left > 0 and " for another " .. terminal.seconds(left) or ", which is over") or ""
  if wait.mail then
    return ("awaits a message%s%s"):format(wait.from and " from " .. table.concat(wait.from, ", ") or "", left and ", with a time-out" .. until_when or "")
  end
  local children = branch.children
  if children then return ("waits for its %d branch%s"):format(children.live, children.live == 1 and "" or "es") end
  return "waits" .. until_when
end

local function places(run)
  local list = {}
  for _, branch in ipairs(sorted(run.branches)) do
    local line = branch.site and run.program:position(branch.site)
    list[#list + 1] = { branch = branch == run.main and "main" or branch.label or "branch " .. branch.id, line = line, waits = waits_for(run, branch) }
  end
  return list
end

local function requests_of(run)
  local list = value.array {}
  for _, request in ipairs(in_flight.list(run)) do
    list[#list + 1] = output.object {
      { "request_id", request.key }, { "agent_id", request.agent_id }, { "attempt", request.attempt }, { "line", (run.program:position(request.site)) },
    }
  end
  return list
end

-- What the run has spent: as it stands, where it can be brought back.
local function usage_of(found, run)
  if run then return spending.value(budget.of_run(run)) end
  return spending.of_row(found)
end

local function as_json(found, run, holder)
  local branches = value.array {}
  for i, place in ipairs(run and places(run) or {}) do
    branches[i] = output.object { { "branch", place.branch }, { "line", place.line }, { "waits", place.waits } }
  end
  local outcome = found.outcome and json.decode(found.outcome)
  return output.object {
    { "run_id", found.id }, { "program", found.title }, { "file", found.file }, { "status", runs.status(found, holder) }, { "started", found.created },
    { "changed", found.changed }, { "due", found.due ~= math.huge and found.due or nil }, { "driver", holder }, { "parent", found.parent },
    { "result", found.status == "completed" and outcome or nil }, { "error", found.status ~= "completed" and outcome or nil },
    { "usage", usage_of(found, run) }, { "branches", branches }, { "requests", run and requests_of(run) }, { "state", run and run:names() },
  }
end

local function brief(v)
  local text = type(v) == "string" and json.encode(v) or value.kind(v) and output.encoded(v) or tostring(v)
  return terminal.shorten(terminal.clean(text), VALUE_WIDTH)
end

local function show_names(write, run)
  local names = run:names()
  if #names == 0 then return end
  write "\nnames\n"
  for _, name in ipairs(names) do write(("  %-20s %s\n"):format(name, brief(names[name]))) end
end

local function show_places(write, run)
  local list = places(run)
  if #list == 0 then return end
  write "\nwhere it stands\n"
  for _, place in ipairs(list) do
    write(("  %s line %-5s %s\n"):format(terminal.padded(terminal.clean(place.branch), 20), place.line or "?", terminal.clean(place.waits)))
  end
end

local function show_text(found, run, holder, problem)
  local paint = terminal.painter(terminal.is_terminal(1))
  local function write(...) stdout:write(...) end
  write(paint("bold", found.id), "  ", terminal.clean(found.title), "\n\n")
  write(("status   %s%s\n"):format(runs.status(found, holder), holder and ", driven by " .. holder or ""))
  write(("started  %s\n"):format(runs.when(found.created)))
  write(("program  %s\n"):format(terminal.clean(found.file)))
  local outcome = found.outcome and json.decode(found.outcome)
  local usage = usage_of(found, run)
  if usage and usage.tokens > 0 then write("spent    ", spending.text(usage), "\n") end
  if outcome and found.status == "completed" then write("result   ", brief(outcome), "\n") end
  if run then
    if run.error then write("\n", diagnostics.text(run.error, paint), "\n") end
    show_places(write, run)
    show_names(write, run)
  elseif problem then
    write("\n", terminal.clean(problem.message), "\n")
  end
end

--- `orchlua show RUN`.
---@param options table   as `arguments` reads them
---@return integer status
function M.main(options)
  local runtime, found, run, problem = look.open(options)
  if not runtime then return drive.complain(found) end
  local holder = runtime.store:holder(found)
  if options.output == "json" then
    stdout:write(output.encoded(as_json(found, run, holder), 2), "\n")
  else
    show_text(found, run, holder, problem)
  end
  runtime:close()
  return 0
end

return M
