-- How many instructions fixed work costs, as callgrind counts them, beside what is kept in
-- bench/instructions.json: more than a few per cent above is a regression.
--   lua5.4 bench/instructions.lua [update]        measures and compares, or writes the file
--   lua5.4 bench/instructions.lua NAME TIMES      does one of the workloads so many times
-- The cost of one time is the difference of two processes that do it twice and once, so that
-- starting is not in it.

local config = require "orchlua.config"
local core = require "orchlua.core"
local orchlua = require "orchlua"
local run = require "spec.support.run"

local json, value = core.json, core.value

local FILE = "bench/instructions.json"
-- Lua's hashes are seeded by the clock, so that no two processes do quite the same: the mean of
-- three rounds differs by about one per cent from time to time.
local TOLERANCE, ROUNDS = 0.03, 3

-- Workloads ----------------------------------------------------------------------------

local function statements(count)
  local lines = { "STATE total = 0", "STATE seen = []" }
  for i = 1, count // 5 do
    lines[#lines + 1] = ('EVENT completion:async {agent_id: "worker", prompt: "step %d of {{total}}"} AS reply'):format(i)
    lines[#lines + 1] = "IF reply.success AND total < 1000:"
    lines[#lines + 1] = "  UPDATE total = total + 1"
    lines[#lines + 1] = "APPEND seen {n: total, text: reply.output}"
    lines[#lines + 1] = ("TRACK {phase: %d, best: MAX(seen, s => s.n)}"):format(i)
  end
  return table.concat(lines, "\n") .. "\n"
end

local STEPS = [[
STATE total = 0
FOREACH i IN RANGE(2000):
  EVENT completion:async {agent_id: "echo", prompt: "{{i}}"} AS r
  UPDATE total = total + LENGTH(r.output)
RETURN total
]]

local function document()
  local list = {}
  for i = 1, 2200 do list[i] = { id = i, name = ("item %d"):format(i), score = i / 7, tags = { "a", "b\n", "é" }, nested = { deep = { i % 3 == 0, {} } } } end
  return assert(value.from_lua(list))
end

-- What makes a workload ready, and gives what is measured.
local workloads = {
  compile = function()
    local text, checked = statements(1000), assert(config.check({ agents = { worker = function() return "x" end } }, ".", "bench"))
    return function() assert(orchlua.compile(text, { name = "bench.dsl", config = checked })) end
  end,
  steps = function()
    return function() assert(run.result(STEPS, { agents = { echo = function(request) return request.prompt end }, seed = 1 }) > 0) end
  end,
  data = function()
    local text = assert(json.encode(document()))
    local names = { [value.Array] = "array", [value.Object] = "object" }
    local by_name = { array = value.Array, object = value.Object }
    return function()
      local bytes = core.snapshot.encode(assert(json.decode(text)), names)
      assert(#json.encode(assert(core.snapshot.decode(bytes, by_name))) == #text)
    end
  end,
}

-- The collector only works in between: its pace would differ from process to process.
local function work(name, times)
  local once = workloads[name]()
  collectgarbage "stop"
  for _ = 1, times do
    once()
    collectgarbage()
  end
end

-- Counting -----------------------------------------------------------------------------

local function shell(text)
  local pipe = assert(io.popen(text))
  local out = pipe:read "a"
  pipe:close()
  return out
end

-- The instructions of a process that does the workload so many times. Addresses are the
-- same every time where `setarch` can see to that.
local function begin(name, times)
  local fixed = os.execute "setarch -R true 2>/dev/null" and "setarch -R " or ""
  return assert(io.popen(("%svalgrind --tool=callgrind --callgrind-out-file=/dev/null %s bench/instructions.lua %s %d 2>&1"):format(
    fixed, arg[-1], name, times)))
end

local function finish(pipe)
  local out = pipe:read "a"
  pipe:close()
  return tonumber(out:match "Collected : (%d+)") or error("callgrind gave no count:\n" .. out, 0)
end

-- The two processes of a round go side by side.
local function cost(name)
  local sum = 0
  for _ = 1, ROUNDS do
    local once, twice = begin(name, 1), begin(name, 2)
    sum = sum - finish(once) + finish(twice)
  end
  return sum // ROUNDS
end

local function measured()
  local counts = {}
  for name in pairs(workloads) do counts[name] = cost(name) end
  return counts
end

-- What the counts depend on besides orchlua itself.
local function versions()
  local libuv = shell "pkg-config --modversion libuv":match "%S+"
  return { lua = shell(arg[-1] .. " -v 2>&1"):match "Lua (%S+)", lpeg = tostring(require("lpeg").version()):match "[%d.]+", libuv = libuv }
end

-- Comparing ----------------------------------------------------------------------------

local function write(counts)
  local file = assert(io.open(FILE, "w"))
  assert(file:write(json.encode(value.from_lua { instructions = counts, versions = versions() }, 2), "\n"))
  assert(file:close())
end

local function kept()
  local file = assert(io.open(FILE))
  local text = file:read "a"
  file:close()
  return assert(json.decode(text))
end

local function same_versions(known)
  for library, version in pairs(versions()) do
    if known[library] ~= version then
      print(("%s is %s here, and the counts were kept with %s: not compared"):format(library, version, known[library]))
      return false
    end
  end
  return true
end

-- Whether the counts are not above what is kept; says how they stand.
local function compare(counts, known)
  local good = true
  for _, name in ipairs(known) do
    local ratio = counts[name] / known[name] - 1
    local verdict = ratio > TOLERANCE and "too many" or ratio < -TOLERANCE and "fewer: make instructions UPDATE=1 keeps them" or "as before"
    print(("%-8s %12d instructions, kept %12d, %+.2f %%: %s"):format(name, counts[name], known[name], ratio * 100, verdict))
    good = good and ratio <= TOLERANCE
  end
  return good
end

if workloads[arg[1]] then
  work(arg[1], tonumber(arg[2]))
elseif arg[1] == "update" then
  local counts = measured()
  write(counts)
  compare(counts, kept().instructions)
else
  local known = kept()
  if same_versions(known.versions) then os.exit(compare(measured(), known.instructions)) end
end
