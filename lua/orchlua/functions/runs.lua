-- Functions that tell of the run itself: its time, its id, its inputs; and
-- GENERATE_TASKS, which a configuration may replace.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local errors = require "orchlua.error"

local value = core.value

---@type table<string, orchlua.Function>
local M = {}

--- TIMESTAMP(): seconds since the epoch, with a fraction.
M.TIMESTAMP = { min = 0, max = 0, returns = "number", fn = function(run) return run:now() end }

-- 9999-12-31T23:59:59.999Z, the last time that ISO 8601 writes with four digits.
local LAST_MILLISECOND = 253402300799999

--- NOW(): the time as a string of ISO 8601 in UTC, with milliseconds.
M.NOW = { min = 0, max = 0, returns = "string", fn = function(run)
  -- A double of today's seconds is off by up to a quarter of a microsecond.
  local milliseconds = math.floor(run:now() * 1000 + 0.0005)
  if milliseconds > LAST_MILLISECOND then errors.raise("arithmetic", "NOW is beyond the year 9999") end
  return os.date("!%Y-%m-%dT%H:%M:%S", milliseconds // 1000) .. (".%03dZ"):format(milliseconds % 1000)
end }

--- ELAPSED(): seconds since the run began. ELAPSED(t): seconds since the reading `t`.
M.ELAPSED = { min = 0, max = 1, returns = "number", fn = function(run, since)
  if since ~= nil then check.number("ELAPSED", since) end
  return check.finite("ELAPSED", run:elapsed(since))
end }

--- RUN_ID(): the id of this run, a string.
M.RUN_ID = { min = 0, max = 0, returns = "string", fn = function(run) return run.id end }

--- INPUTS(): a copy of the inputs this run was given, an object.
M.INPUTS = { min = 0, max = 0, returns = "object", fn = function(run) return (value.copy(run.inputs, false, run)) end }

local TASKS = {
  { "analysis", "Analyse the figures of part %d and say what stands out" },
  { "summary", "Summarise document %d in three sentences" },
  { "review", "Review change %d and name its risks" },
  { "research", "Find two sources on question %d" },
  { "synthesis", "Combine the findings on topic %d into one statement" },
}

--- GENERATE_TASKS(n): an array of n task objects `{id, type, priority, description}`;
--- priorities are from 1 to 5.
M.GENERATE_TASKS = { min = 1, max = 1, fn = function(run, n)
  local count = math.max(0, check.whole("GENERATE_TASKS", n))
  check.elements_limit("GENERATE_TASKS", count)
  run:charge(count)
  local tasks = {}
  for i = 1, count do
    local sort = TASKS[1 + math.floor(run:random() * #TASKS)]
    tasks[i] = value.object {
      "id", "type", "priority", "description",
      id = "task_" .. i, type = sort[1], priority = 1 + math.floor(run:random() * 5), description = sort[2]:format(i),
    }
  end
  return value.array(tasks)
end }

return M
