-- Functions that tell of the run itself: its time, its id, its inputs; and
-- GENERATE_TASKS, which a configuration may replace.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"

local value = core.value

local M = {}

--- TIMESTAMP(): seconds since the epoch, with a fraction.
M.TIMESTAMP = { min = 0, max = 0, returns = "number", fn = function(run) return run:now() end }

--- NOW(): the time as ISO 8601 in UTC, with milliseconds.
M.NOW = { min = 0, max = 0, returns = "string", fn = function(run)
  local now = run:now()
  local seconds = math.floor(now)
  return os.date("!%Y-%m-%dT%H:%M:%S", seconds) .. (".%03dZ"):format(math.floor((now - seconds) * 1000))
end }

--- ELAPSED(): seconds since the run began. ELAPSED(t): seconds since `t`.
M.ELAPSED = { min = 0, max = 1, returns = "number", fn = function(run, since)
  if since ~= nil then check.number("ELAPSED", since) end
  return run:elapsed(since)
end }

--- RUN_ID(): the id of this run.
M.RUN_ID = { min = 0, max = 0, returns = "string", fn = function(run) return run.id end }

--- INPUTS(): the inputs this run was given, as an object.
M.INPUTS = { min = 0, max = 0, returns = "object", fn = function(run) return value.copy(run.inputs) end }

local TASKS = {
  { "analysis", "Analyse the figures of part %d and say what stands out" },
  { "summary", "Summarise document %d in three sentences" },
  { "review", "Review change %d and name its risks" },
  { "research", "Find two sources on question %d" },
  { "synthesis", "Combine the findings on topic %d into one statement" },
}

--- GENERATE_TASKS(n): n task objects `{id, type, priority, description}`.
M.GENERATE_TASKS = { min = 1, max = 1, fn = function(run, n)
  local count = check.whole("GENERATE_TASKS", n)
  check.limit(count, check.MOST_ELEMENTS, "a list of tasks")
  run:charge(math.max(0, count))
  local tasks = value.array {}
  for i = 1, count do
    local sort = TASKS[1 + math.floor(run:random() * #TASKS)]
    tasks[i] = value.object {
      "id", "type", "priority", "description",
      id = "task_" .. i, type = sort[1], priority = 1 + math.floor(run:random() * 5), description = sort[2]:format(i),
    }
  end
  return tasks
end }

return M
