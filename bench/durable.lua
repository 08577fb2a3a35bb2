-- What a durable step costs, beside the rate at which a bare SQLite loop commits in the
-- same minute; what a run that waits takes; how long a resume takes. STEPS is how many
-- steps lie behind the longer run, PARKED how many runs wait in a store.

local config = require "orchlua.config"
local core = require "orchlua.core"
local measure = require "bench.measure"
local orchlua = require "orchlua"
local parking = require "orchlua.parking"

local clock = core.loop.clock
local STEPS = tonumber(os.getenv "STEPS") or 1000000
local PARKED = tonumber(os.getenv "PARKED") or 100000

local folder = io.popen "mktemp -d":read "l"
local checked = assert(config.check({ agents = { ["*"] = function() return "ok" end } }, ".", "bench"))

local function new_path()
  os.execute("rm -f " .. folder .. "/bench.db*")
  return folder .. "/bench.db"
end

local function compile(text) return assert(orchlua.compile(text, { name = "bench.dsl", config = checked })) end

-- Steps ------------------------------------------------------------------------------

local EACH = 3000
local sequence = compile('INPUT n\nFOREACH i IN RANGE(n):\n  EVENT completion:async {agent_id: "a", prompt: "p"} AS r\n')

local function durable_steps(runs, each)
  local rt = assert(orchlua.runtime { store = new_path(), config = checked, seed = 1 })
  local from = clock()
  for _ = 1, runs do assert(rt:start(sequence, { input = { n = each } })) end
  rt:loop()
  local rate = runs * each / (clock() - from)
  rt:close()
  return rate
end

-- The floor: one row of 200 bytes a transaction, as SQLite does it by itself.
local function bare_commits()
  local loop = core.loop.new()
  local db = assert(loop:database { path = new_path() })
  assert(db:execute "PRAGMA journal_mode = WAL; CREATE TABLE row (number INTEGER PRIMARY KEY, body TEXT)")
  db:set_writer "PRAGMA synchronous = FULL"
  local insert, body = db:statement "INSERT INTO row (body) VALUES (?)", ("x"):rep(200)
  local from = clock()
  for _ = 1, EACH do
    db:add(insert, 0, body)
    assert(db:commit())
  end
  local rate = EACH / (clock() - from)
  loop:close()
  return rate
end

local function add_steps(report)
  local ours, bare, ratios, many = {}, {}, {}, {}
  for i = 1, measure.ROUNDS do
    local before = bare_commits()
    ours[i] = durable_steps(1, EACH)
    bare[i] = (before + bare_commits()) / 2
    ratios[i] = ours[i] / bare[i]
    many[i] = durable_steps(100, 200)
  end
  report:section "Durable steps, synchronous = FULL"
  report:add { name = "durable steps of one run", value = measure.median(ours), unit = "steps/s", beside = "commits of a bare SQLite loop",
    floor = measure.median(bare), ratio = measure.median(ratios), goal = "ratio", least = 0.9 }
  report:add { name = "durable steps of 100 runs side by side", value = measure.median(many), unit = "steps/s", least = 50000 }
end

-- Parked runs ----------------------------------------------------------------------------

-- Bytes that Lua holds, each of so many things.
local function held_since(before, count)
  collectgarbage() collectgarbage()
  return (collectgarbage "count" - before) * 1024 / count
end

local BATCH = 5000

-- Starts runs and lets them come to where they wait; with `away` they leave memory.
local function start_batch(rt, program, first, away)
  for i = first, first + BATCH - 1 do assert(rt:start(program, { input = { n = i } })) end
  rt:loop { until_parked = true }
  if not away then return end
  rt.parking:tidy()
  rt.journal:commit()
  rt.parking:tidy()
end

local function add_parked(report)
  local path = new_path()
  local program = compile "INPUT n\nSTATE list = [n]\nWAIT 1000000\n"
  local rt = assert(orchlua.runtime { store = path, config = checked, seed = 1 })
  parking.SECONDS, parking.IN_MEMORY = 0, 0
  collectgarbage() collectgarbage()
  local before = collectgarbage "count"
  start_batch(rt, program, 1, false)
  local held = held_since(before, BATCH)
  local from = clock()
  for first = BATCH + 1, PARKED, BATCH do start_batch(rt, program, first, true) end
  local seconds = clock() - from
  local away = held_since(before, PARKED)
  rt:close()
  local size = io.popen("cat " .. path .. "* | wc -c"):read "n"
  report:section(("%d runs that wait in one store, each"):format(PARKED))
  report:add { name = "a parked run in memory", value = held, unit = "bytes", most = 2048 }
  report:add { name = "a parked run in memory, put away", value = math.max(0, away), unit = "bytes", most = 16 }
  report:add { name = "a parked run in the store", value = size / PARKED, unit = "bytes" }
  report:add { name = "a run from its start until it is put away", value = seconds / math.max(1, PARKED - BATCH) * 1e6, unit = "µs" }
end

-- Resume -----------------------------------------------------------------------------------

local behind = 'INPUT n\nPARALLEL(limit: 200):\n  FOREACH i IN RANGE(n):\n    EVENT completion:async {agent_id: "a", prompt: "p"} AS r\n' ..
  'AWAIT m FROM go\nEVENT completion:async {agent_id: "next", prompt: "p"} AS r\nAWAIT m FROM go\n'

local function prepare(count)
  local path = ("%s/behind-%d.db"):format(folder, count)
  local rt = assert(orchlua.runtime { store = path, config = checked, seed = 1, durability = "relaxed" })
  assert(rt:start(compile(behind), { input = { n = count }, run_id = "r" }))
  rt:loop { until_parked = true }
  assert(rt:signal("r", "go"))
  rt:close()
  return path
end

-- Seconds from the start of a process until the agent of the next step is asked.
local function resume_seconds(path)
  local copy = folder .. "/resumed.db"
  os.execute(("rm -f %s*; cp %s %s"):format(copy, path, copy))
  local from = clock()
  local pipe = io.popen(("%s bench/resumed.lua %s"):format(arg[-1] or "lua5.4", copy))
  assert(pipe:read "l" == "next")
  local seconds = clock() - from
  pipe:close()
  return seconds
end

-- The command itself, store included, beside Lua that does nothing.
local function add_starts(report)
  local program = folder .. "/hello.dsl"
  local file = assert(io.open(program, "w"))
  file:write 'RETURN "hello"\n'
  file:close()
  local ours, bare = {}, {}
  for i = 1, 3 * measure.ROUNDS do
    local from = clock()
    assert(os.execute(("build/orchlua %s --quiet --store %s/hello.db > /dev/null"):format(program, folder)))
    ours[i] = clock() - from
    from = clock()
    assert(os.execute((arg[-1] or "lua5.4") .. " -e ''"))
    bare[i] = clock() - from
  end
  report:add { name = "orchlua hello.dsl, from exec to exit", value = measure.median(ours) * 1000, unit = "ms", beside = "Lua alone",
    floor = measure.median(bare) * 1000, most = 15 }
end

local function add_resumes(report)
  report:section "From exec"
  local medians = {}
  for _, count in ipairs { 1000, STEPS } do
    local path, times = prepare(count), {}
    for i = 1, measure.ROUNDS do times[i] = resume_seconds(path) end
    medians[#medians + 1] = measure.median(times)
  end
  report:add { name = "resume until the next agent is asked, 1,000 steps behind", value = medians[1] * 1000, unit = "ms", most = 30 }
  report:add { name = ("resume, %d steps behind"):format(STEPS), value = medians[2] * 1000, unit = "ms", most = 30 }
  report:add { name = "the longer against the shorter", value = medians[2] / medians[1], unit = "×", most = 1.5 }
end

--- Adds what is measured on a store.
---@param report table
return function(report)
  add_steps(report)
  add_parked(report)
  add_resumes(report)
  add_starts(report)
  os.execute("rm -rf " .. folder)
end
