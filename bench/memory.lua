-- What orchlua costs in memory, each figure beside the same work in plain Lua in the
-- same run.

local core = require "orchlua.core"
local orchlua = require "orchlua"
local config = require "orchlua.config"
local bench = require "bench.measure"

local measure, median = bench.seconds, bench.median

local checked = assert(config.check({ agents = { ["*"] = function() return "ok" end } }, ".", "bench"))

local function run_program(text)
  local program, wrong = orchlua.compile(text, { name = "bench.dsl", config = checked })
  if not program then error(wrong[1].message .. " at line " .. wrong[1].line) end
  return function()
    local rt = orchlua.runtime { config = checked, seed = 1 }
    local run = assert(rt:start(program, {}))
    rt:loop()
    rt:close()
    if run.status ~= "completed" then error(tostring(run.error)) end
    return run
  end
end

-- Statements ------------------------------------------------------------------------

local TURNS = 2000000

-- A statement in a loop, in the language and in Lua.
local statements = {
  { "STATE x = 0", "x = 0" },
  { "UPDATE x = x + 1", "x = x + 1" },
  { "UPDATE x = i * 2 - 1", "x = i * 2 - 1" },
  { "UPDATE x = i % 7", "x = i % 7" },
  { "UPDATE x = i / 3", "x = i / 3" },
  { "IF i < 0: UPDATE x = 1", "if i < 0 then x = 1 end" },
  { "UPDATE x = list[i % 10]", "x = list[i % 10 + 1]" },
  { "UPDATE x = object.field", "x = object.field" },
  { "UPDATE object.field = i", "object.field = i" },
  { "STATE made = [i, x]", "made = { i, x }" },
  { 'STATE text = "n" + i', 'text = "n" .. i' },
}

local HEAD = "STATE x = 0\nSTATE list = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\nSTATE object = {field: 1}\nSTATE made = null\nSTATE text = \"\"\n"

local function in_language(statement)
  return measure(run_program(("%sFOREACH i IN RANGE(%d):\n  %s\n"):format(HEAD, TURNS, statement)))
end

local function in_lua(statement)
  local text = ([[
local x, list, object, made, text = 0, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, { field = 1 }, nil, ""
return function()
  for i = 0, %d do
    %s
  end
  return x, made, text
end]]):format(TURNS - 1, statement)
  return measure(assert(load(text))())
end

local function nanoseconds(seconds) return seconds / TURNS * 1e9 end

local function add_statements(report)
  report:section "Statements, a turn of FOREACH with each (processor time)"
  local ratios = {}
  for _, pair in ipairs(statements) do
    local ours, plain = nanoseconds(in_language(pair[1])), nanoseconds(in_lua(pair[2]))
    ratios[#ratios + 1] = ours / plain
    report:add { name = pair[1], value = ours, unit = "ns", beside = "plain Lua", floor = plain }
  end
  report:add { name = "a statement, the median of these", value = median(ratios), unit = "× plain Lua", most = 3 }
end

-- Steps -----------------------------------------------------------------------------

local STEPS = 200000

local function steps_in_language()
  return STEPS / measure(run_program(("FOREACH i IN RANGE(%d):\n  EVENT completion:async {agent_id: \"a\", prompt: \"p\"} AS r\n"):format(STEPS)))
end

-- The floor: a coroutine that yields a request and is resumed with the agent's answer.
local function steps_in_lua()
  local function agent() return "ok" end
  return STEPS / measure(function()
    local co = coroutine.wrap(function()
      for _ = 1, STEPS do coroutine.yield { agent_id = "a", prompt = "p" } end
    end)
    local request = co()
    while request do request = co(agent(request)) end
  end)
end

local function side_by_side(branches)
  local each = STEPS // branches
  return each * branches / measure(run_program(([[
PARALLEL:
  FOREACH b IN RANGE(%d):
    FOREACH i IN RANGE(%d):
      EVENT completion:async {agent_id: "a", prompt: "p"} AS r
]]):format(branches, each)))
end

local function add_steps(report)
  report:section "Steps in memory, with an agent that is a Lua function (processor time)"
  report:add { name = "steps of one run", value = steps_in_language(), unit = "steps/s", beside = "a bare coroutine", floor = steps_in_lua(), least = 300000 }
  local few = side_by_side(100)
  report:add { name = "steps of 100 branches side by side", value = few, unit = "steps/s" }
  -- As many as a table has places: what is first in and first out must not make one anew each time.
  report:add { name = "steps of 256 branches side by side", value = side_by_side(256), unit = "steps/s", beside = "of 100", floor = few }
end

-- Parked branches ---------------------------------------------------------------------

local PARKED = 100000

local function parked_bytes()
  local program = assert(orchlua.compile(("PARALLEL:\n  FOREACH i IN RANGE(%d):\n    WAIT 1000000\n"):format(PARKED), { config = checked }))
  local rt = orchlua.runtime { config = checked, seed = 1 }
  collectgarbage() collectgarbage()
  local before = collectgarbage "count"
  assert(rt:start(program, {}))
  rt:loop { until_parked = true }
  collectgarbage() collectgarbage()
  local bytes = (collectgarbage "count" - before) * 1024 / PARKED
  rt:close()
  return bytes
end

local function json_rate()
  local list = {}
  for i = 1, 100000 do list[i] = i * 1.5 end
  local v = core.value.from_lua(list)
  local size = #core.json.encode(v)
  return size / measure(function() core.json.encode(v) end) / 1e6
end

--- Adds what is measured in memory.
---@param report table
return function(report)
  add_statements(report)
  add_steps(report)
  report:section "Memory and JSON"
  report:add { name = "a parked branch with its timer", value = parked_bytes(), unit = "bytes", most = 2048 }
  report:add { name = "JSON, writing an array of 100,000 numbers", value = json_rate(), unit = "MB/s" }
end
