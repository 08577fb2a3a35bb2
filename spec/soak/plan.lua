-- What the soak's n-th run is, and what must come of it: its program, its input and the
-- outcome, all drawn from the seed alone, so that whoever checks a run knows nothing but
-- its number. What a run reports is compared as a sorted list of lines.

local random = require "orchlua.random"

local M = {}

-- Programs, the common ones several times.
local PROGRAMS = { "sequence", "scatter", "gather", "shaped", "family", "entities", "signals", "pattern", "fails", "lasting",
  "scatter", "sequence", "gather", "signals" }

-- Some of the first runs wait for a letter that nobody writes: so their number does not grow.
local LETTERS, LETTER_EVERY = 60, 6

-- What becomes of a task does not depend on how often its driver is killed meanwhile: what
-- mends itself in a later try is for where there must be one.
local FATES = { "ok", "ok", "ok", "ok", "slow", "flaky", "fail", "hang", "kill", "broken", "mends" }
local UNSHAPED = { mends = true }
local AGENTS = { "lua", "lua", "exec", "http" }

-- What a task comes to, by its fate: a value, "broken" for a text that is no JSON, or "failed".
local OUTCOMES = { ok = true, slow = true, flaky = true, mends = true, fail = "failed", hang = "failed", kill = "failed", broken = "broken" }

local ERRORS = { [0] = "soak", "type", "arithmetic", "agent" }

-- A source of whole numbers in [1, most].
local function dice(seed, n)
  local state = seed * 1000003 + n * 7919
  return function(most)
    local number
    number, state = random.next(state)
    return math.floor(number * most) + 1
  end
end

local function draw_task(roll, i, without)
  local fate
  repeat fate = FATES[roll(#FATES)] until not without[fate]
  return {
    i = i, agent = AGENTS[roll(#AGENTS)], fate = fate, value = roll(1000), timeout = fate == "hang" and 0.6 or 120,
    retries = (fate == "fail" or fate == "kill") and 0 or 2,
  }
end

local function draw_tasks(roll, most, without)
  local tasks = {}
  for i = 1, roll(most) do tasks[i] = draw_task(roll, i, without or UNSHAPED) end
  return tasks
end

local function outcome_of(task)
  local outcome = OUTCOMES[task.fate]
  return outcome == true and tostring(task.value) or outcome
end

local function lines_of(tasks, lines)
  for _, task in ipairs(tasks) do lines[#lines + 1] = ("%d %s"):format(task.i, outcome_of(task)) end
  return lines
end

-- By program: gives the input, the lines that a completed run reports, and otherwise its status.
local programs = {}

function programs.sequence(roll)
  local tasks = draw_tasks(roll, 5)
  return { tasks = tasks }, lines_of(tasks, { "finals " .. #tasks })
end

function programs.scatter(roll)
  local tasks = draw_tasks(roll, 8)
  return { tasks = tasks }, lines_of(tasks, { "clock" })
end

function programs.gather(roll)
  local tasks = draw_tasks(roll, 6)
  return { tasks = tasks }, lines_of(tasks, {})
end

-- With a schema, what is broken fails, and what mends itself is right the second time.
function programs.shaped(roll)
  local tasks, lines = draw_tasks(roll, 4, {}), {}
  for i, task in ipairs(tasks) do
    local outcome = outcome_of(task)
    lines[i] = ("%d %s"):format(i, outcome == "broken" and "failed" or outcome)
  end
  return { tasks = tasks }, lines
end

function programs.family(roll)
  local children, lines = {}, {}
  for i = 1, roll(3) do
    local tasks, fail = draw_tasks(roll, 2), roll(4) == 1
    children[i] = { tasks = tasks, fail = fail }
    if fail then
      lines[#lines + 1] = "user"
    else
      lines_of(tasks, lines)
      lines[#lines + 1] = "finals " .. #tasks
    end
  end
  return { children = children }, lines
end

function programs.entities(roll)
  local tasks, sum = draw_tasks(roll, 3), 0
  for _, task in ipairs(tasks) do sum = sum + (tonumber(outcome_of(task)) or 0) end
  return { tasks = tasks }, { "done " .. #tasks, "sum " .. sum, "gone true" }
end

function programs.signals(roll)
  local count, lines = roll(3), {}
  for i = 1, count do lines[i] = "signal " .. i end
  return { signals = count }, lines
end

-- Without those that are tried again: a pattern's calls say nothing of retries.
function programs.pattern(roll)
  local tasks, failed = draw_tasks(roll, 4, { flaky = true, hang = true, kill = true, mends = true }), 0
  for _, task in ipairs(tasks) do
    if outcome_of(task) == "failed" then failed = failed + 1 end
  end
  return { tasks = tasks }, { "gathered " .. #tasks - failed, "failed " .. failed, "total " .. #tasks }
end

function programs.fails(roll) return { tasks = draw_tasks(roll, 2) }, nil, "failed" end

function programs.lasting(roll) return { agent = AGENTS[roll(#AGENTS)] }, nil, "cancelled" end

function programs.letter() return {}, nil, "parked" end

---@class soak.Run
---@field program string
---@field input table
---@field status string     "completed", "failed", "cancelled" or "parked"
---@field lines? string     what a completed run reports, sorted
---@field error? string     the type of the error of a failed one
---@field wait number       seconds from its start until a signal, or its cancel, is sent

--- The n-th run.
---@param seed integer
---@param n integer
---@return soak.Run
function M.run(seed, n)
  local roll = dice(seed, n)
  local program = n <= LETTERS and n % LETTER_EVERY == 0 and "letter" or PROGRAMS[roll(#PROGRAMS)]
  local input, lines, status = programs[program](roll)
  input.n = n
  if lines then table.sort(lines) end
  return {
    program = program, input = input, status = status or "completed", lines = lines and table.concat(lines, "\n"),
    error = program == "fails" and ERRORS[n % 4] or nil, wait = roll(4000) / 1000,
  }
end

local function reported(result)
  if type(result) ~= "table" then return tostring(result) end
  local lines = table.move(result, 1, #result, 1, {})
  table.sort(lines)
  return table.concat(lines, "\n")
end

--- What is wrong with how a run ended; nil when all is as it must be.
---@param planned soak.Run
---@param status string
---@param outcome any   its result, or its error as a value
---@return string?
function M.fault(planned, status, outcome)
  if status ~= planned.status then return ("%s instead of %s: %s"):format(status, planned.status, outcome and outcome.message or "") end
  if status == "failed" and outcome.type ~= planned.error then return ("failed of %s, not %s"):format(outcome.type, planned.error) end
  if status ~= "completed" then return nil end
  local found = reported(outcome)
  if found ~= planned.lines then return ("reports\n%s\ninstead of\n%s"):format(found, planned.lines) end
end

return M
