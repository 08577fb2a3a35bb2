-- The soak in virtual time: RUNS runs start over an hour of a clock that jumps, in one
-- process, with agents in Lua that fail as the plan says. At the end each run is accounted
-- for, and the process holds no more than it did when it had warmed up.
--   lua5.4 spec/soak/virtual.lua RUNS SEED

local agent = require "spec.soak.agent"
local checks = require "spec.soak.checks"
local command = require "orchlua.command.program"
local lfs = require "lfs"
local measure = require "spec.soak.measure"
local orchlua = require "orchlua"
local plan = require "spec.soak.plan"

local RUNS, SEED = tonumber(arg[1]), tonumber(arg[2])
local HOUR, SAMPLES = 3600, 20
-- People take their time: a wait of the plan is so much longer here.
local PATIENCE = 30
local FOLDER = "spec/soak/programs"
-- What may be held more in the last third of the samples than in the first, in KB.
local MARGINS = { { "lua", 256 }, { "rss", 4096 } }

-- The run that starts the others, and has their signals and cancels sent.
local CONDUCTOR = [[
FOREACH n IN RANGE(%d):
  EVENT soak:begin {n: n + 1}
  WAIT %.9f
]]

local rt, programs
local ended, tally, samples, faults = {}, {}, {}, {}
for n = 1, RUNS do ended[n] = false end

local function number_of(id) return tonumber(id:match "^soak%-(%d+)$") end

local function send_signals(n, planned)
  for i = 1, planned.input.signals do
    orchlua.sleep(planned.wait * PATIENCE)
    assert(rt:signal("soak-" .. n, "person", { number = i }))
  end
end

local function sample()
  samples[#samples + 1] = measure.all(rt)
  local taken = samples[#samples]
  print(("  %3d %%  %6d runs going  Lua %6.0f KB  process %6d KB  %d files"):format(#samples * 100 // SAMPLES, rt.alive, taken.lua, taken.rss, taken.files))
end

local function begin(data)
  local n = data.n
  local planned = plan.run(SEED, n)
  assert(rt:start(programs[planned.program], { input = planned.input, run_id = "soak-" .. n, folder = FOLDER }))
  if n % (RUNS // SAMPLES) == 0 then sample() end
  if planned.program == "signals" then return send_signals(n, planned) end
  if planned.status == "cancelled" then
    orchlua.sleep(planned.wait * PATIENCE)
    assert(rt:cancel("soak-" .. n, "the plan"))
  end
end

-- A run that ends is compared with its plan at once, so that nothing is kept of it.
local function on_record(record)
  local status = record.type:match "^run:(%a+)$"
  local n = number_of(record.run_id)
  if not n or status == "started" or not status then return end
  if ended[n] then faults[#faults + 1] = ("run %d ended twice"):format(n) end
  ended[n] = status
  tally[status] = (tally[status] or 0) + 1
  local fault = plan.fault(plan.run(SEED, n), status, record.result or record.error)
  if fault then faults[#faults + 1] = ("run %d %s"):format(n, fault) end
end

local function compile_all(checked)
  programs = {}
  for file in lfs.dir(FOLDER) do
    local name = file:match "^(%a+)%.dsl$"
    if name then programs[name] = assert(command.compile_file(FOLDER, file, checked)) end
  end
end

local function drive()
  local config = require "orchlua.config"
  local checked = assert(config.check({ agents = { ["*"] = agent }, events = { ["soak:begin"] = { lua = begin, timeout = 10 * HOUR } },
    defaults = { concurrency = RUNS } }, ".", "soak"))
  compile_all(checked)
  rt = assert(orchlua.runtime { config = checked, virtual_time = true, seed = SEED, on_record = on_record, compile_file = command.compile_file })
  assert(rt:start(assert(orchlua.compile(CONDUCTOR:format(RUNS, HOUR / RUNS), { name = "conductor", config = checked })), { run_id = "conductor" }))
  local from = rt.clock:now()
  rt:loop()
  return rt.clock:now() - from
end

local function accounted()
  local parked, lost = {}, {}
  for n = 1, RUNS do
    if not ended[n] then table.insert(plan.run(SEED, n).status == "parked" and parked or lost, n) end
  end
  print(("  started %d = completed %d + failed %d + cancelled %d + parked %d"):format(
    RUNS, tally.completed or 0, tally.failed or 0, tally.cancelled or 0, #parked))
  if parked[1] then print("  parked: " .. table.concat(parked, " ")) end
  checks.check(#lost == 0, "%d runs are lost: %s", #lost, table.concat(lost, " ", 1, math.min(20, #lost)))
  checks.check(rt.alive == #parked, "%d runs are alive, those that wait for a letter", rt.alive)
  checks.check(#faults == 0, "%d runs are not as planned", #faults)
  for i = 1, math.min(5, #faults) do print(faults[i]) end
end

local function main()
  local before, from = measure.start(), os.clock()
  print(("virtual: %d runs over an hour, seed %d"):format(RUNS, SEED))
  local hour = drive()
  print(("  %.0f s of virtual time in %.1f s"):format(hour, os.clock() - from))
  checks.check(hour > HOUR - 1, "the clock went on by %.0f s", hour)
  accounted()
  -- The first fifth warms up.
  local warm = table.move(samples, SAMPLES // 5 + 1, #samples, 1, {})
  for _, pair in ipairs(MARGINS) do
    local grown = measure.growth(warm, pair[1])
    checks.check(grown < pair[2], "%s: %.0f KB more in the last third than in the first after warming up; %d KB may be", pair[1], grown, pair[2])
  end
  checks.check(rt.loop_handle:handles() == 0, "%d handles are open", rt.loop_handle:handles())
  rt:close()
  local after = measure.all()
  checks.check(after.files <= before.files, "%d files are open, %d were", after.files, before.files)
  checks.check(after.children == 0, "%d child processes are left", after.children)
  checks.close()
end

main()
