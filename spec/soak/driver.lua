-- A driver of the soak's real part: starts RATE runs a second on a store until a time, and
-- drives them. The steady one is never killed: it goes on until its runs have ended, and
-- writes what it held meanwhile, one JSON object a line. The mortal one is killed at random,
-- and begins again behind the last run that it started.
--   lua5.4 spec/soak/driver.lua STORE NAME SEED RATE UNTIL [SAMPLES INTERVAL]

local command = require "orchlua.command.program"
local config = require "orchlua.config"
local core = require "orchlua.core"
local measure = require "spec.soak.measure"
local orchlua = require "orchlua"
local plan = require "spec.soak.plan"

local STORE, NAME, SEED, RATE, UNTIL = arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4]), tonumber(arg[5])
local SAMPLES, INTERVAL = arg[6], tonumber(arg[7])
local FOLDER = "spec/soak/programs"
local clock = core.loop.clock

local checked = assert(config.load "spec/soak/orchlua.config.lua")
local file = SAMPLES and assert(io.open(SAMPLES, "w"))
local before = measure.start()
local rt = assert(orchlua.runtime { store = STORE, config = checked, seed = SEED, compile_file = command.compile_file })
local programs, letters = {}, 0

local function program(name)
  programs[name] = programs[name] or assert(command.compile_file(FOLDER, name .. ".dsl", checked))
  return programs[name]
end

local function begin(n)
  local planned = plan.run(SEED, n)
  if planned.status == "parked" then letters = letters + 1 end
  assert(rt:start(program(planned.program), { input = planned.input, run_id = ("%s-%d"):format(NAME, n), folder = FOLDER }))
end

local function write(sample, kind)
  sample.kind, sample.alive, sample.time = kind, rt.alive, clock()
  file:write(core.json.encode(assert(core.value.from_lua(sample))), "\n")
  file:flush()
end

-- A turn that ends soon, whatever there is to do.
local function short_turn()
  local due = rt.outside:after(0.05, 1, function() end)
  if not rt:turn() then rt.loop_handle:turn(0.05) end
  rt.outside:cancel(due)
end

local function drive(started)
  local from, first, sampled = clock(), started, clock()
  while clock() < UNTIL or SAMPLES and rt.alive > letters do
    while clock() < UNTIL and started - first < (clock() - from) * RATE do
      started = started + 1
      begin(started)
    end
    short_turn()
    if SAMPLES and clock() - sampled > INTERVAL and clock() < UNTIL then
      sampled = sampled + INTERVAL
      write(measure.all(rt), "going")
    end
  end
end

local earlier = assert(rt.store:query("SELECT count(*) AS n FROM run WHERE parent IS NULL AND id LIKE ?", NAME .. "-%"))[1].n
if SAMPLES then write(before, "before") end
drive(earlier)
if SAMPLES then write(measure.all(rt), "idle") end
rt:close()
if SAMPLES then write(measure.all(), "after") end
