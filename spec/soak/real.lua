-- The soak in real time: SECONDS of runs at a steady pace on one store, by two drivers. The
-- steady one is watched for what it holds. The mortal one is killed again and again, and
-- `orchlua resume --all` goes on with what it leaves, which is killed at times as well.
-- Signals and cancels come from outside, by the command. In the end each run in the store
-- is compared with its plan.
--   lua5.4 spec/soak/real.lua SECONDS SEED

local checks = require "spec.soak.checks"
local core = require "orchlua.core"
local measure = require "spec.soak.measure"
local plan = require "spec.soak.plan"
local random = require "orchlua.random"

local SECONDS, SEED = tonumber(arg[1]), tonumber(arg[2])
local RATE, SAMPLES, NAMES = 6, 30, { "steady", "mortal" }
-- How long what is left may take in the end.
local DRAIN_SECONDS = 120
-- What the steady driver may hold more in the last third of its samples than in the first:
-- KB, KB and files, of which connections that are kept for the next request are the most.
local MARGINS = { { "lua", 512 }, { "rss", 6144 }, { "files", 8 } }

local clock = core.loop.clock
local folder = io.popen "mktemp -d":read "l"
local STORE = folder .. "/soak.db"
local seeds = { steady = SEED, mortal = SEED + 1 }
local before = measure.start()
local loop = core.loop.new()
local db, origin
local stop_at, over = clock() + SECONDS, false
local counts = { kills = 0, resumes = 0, signals = 0, cancels = 0 }
local faults, busy = {}, 0

local function fault(format, ...) faults[#faults + 1] = format:format(...) end

local draw_state = SEED
local function draw(most)
  local number
  number, draw_state = random.next(draw_state)
  return number * most
end

-- Goes on with a piece of work beside the others.
local function beside(work, ...)
  busy = busy + 1
  loop:resume(coroutine.create(function(...)
    work(...)
    busy = busy - 1
  end), ...)
end

local function sleep(seconds) loop:timer(seconds):wait() end

-- Processes ------------------------------------------------------------------------------

local function start(args)
  return assert(loop:process { args = args, env = { SOAK_ORIGIN = origin }, inherit_env = true, limit = 1 << 24 })
end

local function orchlua(...) return start { "build/orchlua", ... } end

local function driver(name, ...)
  return start { arg[-1] or "lua5.4", "spec/soak/driver.lua", STORE, name, tostring(seeds[name]), tostring(RATE), tostring(stop_at), ... }
end

local function kill(process) os.execute("kill -9 " .. process:pid()) end

-- Kills a process after a while, unless it ends before.
local function doom(process, seconds)
  local ended = false
  beside(function()
    local till = clock() + seconds
    while not ended and clock() < till do sleep(0.02) end
    if ended then return end
    counts.kills = counts.kills + 1
    kill(process)
  end)
  local result = process:wait()
  ended = true
  return result
end

local function resume_all(seconds)
  counts.resumes = counts.resumes + 1
  local resuming = orchlua("resume", "--all", "--quiet", "--store", STORE)
  local result = seconds and doom(resuming, seconds) or resuming:wait()
  if result.signal ~= "KILL" and result.status ~= 0 then fault("resume --all ended with %s: %s", result.status or result.signal, result.stderr) end
end

local function steady()
  local result = driver("steady", folder .. "/samples", tostring(SECONDS / SAMPLES)):wait()
  if result.status ~= 0 then fault("the steady driver ended with %s: %s", result.status or result.signal, result.stderr) end
end

local function mortal()
  while clock() < stop_at do
    local result = doom(driver "mortal", math.min(0.3 + draw(5), math.max(0, stop_at - clock())))
    if result.signal ~= "KILL" and result.status ~= 0 then fault("the mortal driver ended with %s: %s", result.status or result.signal, result.stderr) end
    if draw(1) < 0.5 then resume_all(draw(2)) end
    resume_all()
  end
end

-- From outside -----------------------------------------------------------------------------

local sent = {}

local function tell(what, id, ...)
  local result = orchlua(what, id, ...):wait()
  counts[what .. "s"] = counts[what .. "s"] + 1
  if result.status ~= 0 then fault("orchlua %s %s ended with %s: %s", what, id, result.status or result.signal, result.stderr) end
end

local function tell_run(id, planned)
  if planned.status == "cancelled" then return tell("cancel", id, "--store", STORE) end
  for i = 1, planned.input.signals do
    tell("signal", id, "person", ('{"number": %d}'):format(i), "--store", STORE)
    sleep(planned.wait)
  end
end

local function plan_of(id)
  local name, n = id:match "^(%a+)%-(%d+)$"
  return plan.run(seeds[name], tonumber(n))
end

local function runs(where, ...)
  return assert(db:query("SELECT id, status, outcome, created FROM run WHERE parent IS NULL AND " .. where, ...))
end

-- Runs that somebody still has to do something for: all but those that wait for a letter.
local function going()
  local list = {}
  for _, run in ipairs(runs "status = 'running'") do
    run.planned = plan_of(run.id)
    if run.planned.status ~= "parked" then list[#list + 1] = run end
  end
  return list
end

-- Sends signals and cancels to the runs that are planned to get them, each once.
local function people()
  while not over do
    sleep(0.2)
    for _, run in ipairs(going()) do
      local wants = run.planned.program == "signals" or run.planned.status == "cancelled"
      if wants and not sent[run.id] and clock() - run.created > run.planned.wait then
        sent[run.id] = true
        beside(tell_run, run.id, run.planned)
      end
    end
  end
end

-- The checks -------------------------------------------------------------------------------

local function read_samples()
  local samples, by_kind = {}, {}
  for line in io.lines(folder .. "/samples") do
    local sample = core.json.decode(line)
    by_kind[sample.kind] = sample
    if sample.kind == "going" then samples[#samples + 1] = sample end
  end
  return samples, by_kind
end

local function show_sample(what, sample)
  print(("  %-9s %4d runs alive  Lua %6.0f KB  process %6d KB  %3d files  %2d children  %3d handles"):format(
    what, sample.alive, sample.lua, sample.rss, sample.files, sample.children, sample.handles))
end

local function check_memory()
  local samples, at = read_samples()
  show_sample("start", samples[1])
  show_sample("middle", samples[#samples // 2])
  show_sample("end", samples[#samples])
  show_sample("idle", at.idle)
  show_sample("closed", at.after)
  local warm = table.move(samples, #samples // 5 + 1, #samples, 1, {})
  for _, pair in ipairs(MARGINS) do
    local grown = measure.growth(warm, pair[1])
    checks.check(grown < pair[2], "steady driver, %s: %.0f more in the last third than in the first after warming up; %d may be", pair[1], grown, pair[2])
  end
  checks.check(at.idle.children == 0, "steady driver: %d child processes when its runs have ended", at.idle.children)
  checks.check(at.idle.handles <= samples[1].handles, "steady driver: %d handles are open when its runs have ended", at.idle.handles)
  checks.check(at.after.files <= at.before.files, "steady driver: %d files are open when it is closed, %d were at its start", at.after.files, at.before.files)
end

local function check_runs(name)
  local tally, wrong, parked, total = { completed = 0, failed = 0, cancelled = 0 }, {}, {}, 0
  local by_id = {}
  for _, run in ipairs(runs("id LIKE ?", name .. "-%")) do by_id[run.id], total = run, total + 1 end
  for n = 1, total do
    local id = ("%s-%d"):format(name, n)
    local run, planned = by_id[id], plan.run(seeds[name], n)
    if not run then
      wrong[#wrong + 1] = id .. " is lost"
    elseif run.status == "running" and planned.status == "parked" then
      parked[#parked + 1] = n
    else
      tally[run.status] = (tally[run.status] or 0) + 1
      local problem = plan.fault(planned, run.status, run.outcome and core.json.decode(run.outcome))
      if problem then wrong[#wrong + 1] = ("%s (%s) %s"):format(id, planned.program, problem) end
    end
  end
  print(("  %s: started %d = completed %d + failed %d + cancelled %d + parked %d (%s)"):format(
    name, total, tally.completed, tally.failed, tally.cancelled, #parked, table.concat(parked, " ")))
  checks.check(total > 0 and total == tally.completed + tally.failed + tally.cancelled + #parked, "%s: %d runs are accounted for", name, total)
  checks.check(#wrong == 0, "%s: %d runs are not as planned", name, #wrong)
  for i = 1, math.min(5, #wrong) do print(wrong[i]) end
end

local function count(sql) return assert(db:query("SELECT count(*) AS n FROM " .. sql))[1].n end

local function check_store()
  for _, pair in ipairs {
    { "requests that have two replies", "(SELECT 1 FROM journal WHERE kind = 'reply' GROUP BY run, request HAVING count(*) > 1)" },
    { "sub-runs that have not ended", "run WHERE parent IS NOT NULL AND status = 'running'" },
    { "runs that nobody can explain", "run WHERE status NOT IN ('completed', 'failed', 'cancelled') AND (status <> 'running' OR due IS NULL)" },
    { "runs that have ended and are held still", "run WHERE status <> 'running' AND driver IS NOT NULL" },
    { "messages that nobody took", "message" },
    { "entities of runs that have ended", "entity WHERE type IN ('account', 'held')" },
  } do
    local found = count(pair[2])
    checks.check(found == 0, "the store: %d %s", found, pair[1])
  end
  checks.check(assert(db:query "PRAGMA integrity_check")[1].integrity_check == "ok", "the store: SQLite finds no damage")
end

-- All together -----------------------------------------------------------------------------

-- A line of progress after each tenth of the time.
local function progress()
  for i = 1, 10 do
    sleep(math.max(0, stop_at - SECONDS * (1 - i / 10) - clock()))
    print(("  %3d %%  %d runs in the store, %d going; %d kills, %d resumes, %d signals, %d cancels"):format(
      i * 10, count "run WHERE parent IS NULL", #going(), counts.kills, counts.resumes, counts.signals, counts.cancels))
  end
end

-- All that was left is gone on with until nothing is, but for the letters.
local function drain()
  local give_up = clock() + DRAIN_SECONDS
  while #going() > 0 and clock() < give_up do
    resume_all()
    sleep(0.2)
  end
end

local function conduct()
  beside(people)
  beside(progress)
  local working = 2
  for _, work in ipairs { steady, mortal } do
    beside(function()
      work()
      working = working - 1
    end)
  end
  while working > 0 do sleep(0.1) end
  drain()
  over = true
end

local function open_store()
  require("orchlua").runtime({ store = STORE, config = {} }):close()
  db = assert(loop:database { path = STORE })
end

-- The server behind the HTTP agent.
local function start_origin()
  local pipe = io.popen "exec perl spec/soak/origin.pl"
  local port, pid = pipe:read("l"):match "^(%d+) (%d+)$"
  origin = "http://127.0.0.1:" .. port
  return setmetatable({}, { __close = function()
    os.execute("kill " .. pid)
    pipe:close()
  end })
end

local function run_all()
  local _ <close> = start_origin()
  open_store()
  beside(conduct)
  local give_up = stop_at + 2 * DRAIN_SECONDS
  while busy > 0 and clock() < give_up do loop:turn(1) end
end

local function check_all()
  print(("  %d kills, %d resumes, %d signals, %d cancels"):format(counts.kills, counts.resumes, counts.signals, counts.cancels))
  checks.check(busy == 0, "all came to its end in time")
  checks.check(#faults == 0, "%d commands ended badly", #faults)
  for i = 1, math.min(5, #faults) do print(faults[i]) end
  check_memory()
  for _, name in ipairs(NAMES) do check_runs(name) end
  check_store()
end

local function main()
  local _ <close> = setmetatable({}, { __close = function() os.execute("rm -rf " .. folder) end })
  print(("real: %d s, %d runs a second by each of two drivers, seed %d"):format(SECONDS, RATE, SEED))
  run_all()
  check_all()
  loop:close()
  local after = measure.all()
  checks.check(after.files <= before.files and after.children == 0, "the soak itself: %d files are open, %d were; %d child processes", after.files, before.files, after.children)
end

main()
checks.close()
