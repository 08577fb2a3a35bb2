-- Lets memory run out in one place after another: fails allocation FIRST of a workload,
-- then FIRST + STEP, and so on until the workload asks for no more than that. Each time it
-- must give its result or a clear error, and leave nothing open.
--   lua5.4 spec/support/sweep.lua WORKLOAD FAILING FIRST STEP [ADDRESS]
-- with the library of `sweep.c` preloaded, whose path is in $SWEEP. FAILING: how many allocations fail in a row.
-- Prints each number before its turn, then how many were tried and how many of them failed.

local lfs = require "lfs"
local orchlua = require "orchlua"
local config = require "orchlua.config"
local core = require "orchlua.core"

local name, failing, first, step, address = arg[1], tonumber(arg[2]), tonumber(arg[3]), tonumber(arg[4]), arg[5]
local sweep = assert(package.loadlib(os.getenv "SWEEP", "luaopen_sweep"))()
local json, snapshot, value = core.json, core.snapshot, core.value

local RUN = [[
INPUT n = 4
STATE list = []
FOREACH i IN RANGE(n):
  EVENT completion:async {agent_id: "echo", prompt: "{{i}} of {{n}}"} AS r
  APPEND list r.output
  STATE sorted = SORT(list, x => x DESC)
PARALLEL(limit: 2):
  FOREACH j IN RANGE(3):
    EVENT completion:async {agent_id: "echo", prompt: "side {{j}}"} AS s
    WAIT 0.001
SEND echo "later"
AWAIT m FROM echo TIMEOUT 5:
  APPEND list m.output
PERSIST made {key: "end", data: {total: LENGTH(list)}}
RETURN JSON.stringify({list: list, first: sorted[0]})
]]
local RESULT = '{"list":["0 of 4","1 of 4","2 of 4","3 of 4","later"],"first":"3 of 4"}'
local ONE = 'EVENT completion:async {agent_id: "it", prompt: "%s", timeout: 2} AS r\nRETURN r.output'

local function echo(request) return request.prompt end

local DEADLINE_SECONDS = 5

local function drive(rt)
  local deadline = core.loop.clock() + DEADLINE_SECONDS
  rt:loop { stop = function() return core.loop.clock() > deadline end }
end

-- Runs a program; the runtime is left in `made`, to be closed when memory is back.
local function run(made, source, agents, options)
  local checked, wrong = config.check({ agents = agents }, ".", "sweep")
  if not checked then return nil, wrong end
  local program, diagnostics, all = orchlua.compile(source, { name = "sweep.dsl", config = checked })
  if not program then return nil, (diagnostics[1] or all[1]).message end
  options.config, options.seed = checked, 1
  local problem, started
  made.runtime, problem = orchlua.runtime(options)
  if not made.runtime then return nil, problem end
  started, problem = made.runtime:start(program, { run_id = "r" })
  if not started then return nil, problem end
  drive(made.runtime)
  return started.result, started.error or started.status
end

local function close(made)
  if made.runtime then made.runtime:close() end
end

local function document()
  local list = {}
  for i = 1, 200 do list[i] = { id = i, text = ("é\n%d"):format(i):rep(i % 7), nested = { { i / 3 }, {}, "x" } } end
  return assert(value.from_lua { list = list, long = ("a\tb"):rep(3000) })
end

local tree = document()
local text = json.encode(tree)

-- Goes on with what is in the store, with memory enough: whatever failed, it ends as it should.
local function resume(path)
  local checked = assert(config.check({ agents = { echo = echo } }, ".", "sweep"))
  local rt = assert(orchlua.runtime { store = path, config = checked, seed = 1 })
  local resumed, err = rt:resume "r"
  if not resumed and err.message:find "there is no run" then
    resumed = rt:start(assert(orchlua.compile(RUN, { name = "sweep.dsl", config = checked })), { run_id = "r" })
  end
  if resumed then drive(rt) end
  rt:close()
  if resumed then return resumed.result, resumed.error end
  if err.message:find "has ended" then return RESULT end
  return nil, err
end

local function ask(made, url)
  return run(made, ONE:format "in and out", { it = { http = url .. "/body/5", retries = 0 } }, {})
end

-- What `make` gives is swept; what it left behind is cleared by `finish`.
local workloads = {
  load = { result = "table", words = { "module .- not found" }, run = function()
    for module in pairs(package.loaded) do
      if module:find "^orchlua" then package.loaded[module] = nil end
    end
    return type(require "orchlua")
  end },
  run = { result = RESULT, finish = close, run = function(made) return run(made, RUN, { echo = echo }, { virtual_time = true }) end },
  json = { result = text, run = function()
    local decoded, problem = json.decode(text)
    if decoded == nil then return nil, problem end
    return json.encode(decoded)
  end },
  snapshot = { result = text, run = function()
    local names = { [value.Array] = "array", [value.Object] = "object" }
    local bytes = snapshot.encode(tree, names)
    return json.encode(assert(snapshot.decode(bytes, { array = value.Array, object = value.Object })))
  end },
  durable = {
    result = RESULT,
    run = function(made) return run(made, RUN, { echo = echo }, { store = made.folder .. "/run.db" }) end,
    finish = function(made)
      close(made)
      local result, err = resume(made.folder .. "/run.db")
      if result ~= RESULT then error("resumed: " .. tostring(result) .. " " .. tostring(err)) end
    end,
  },
  exec = { result = "in and out", finish = close, run = function(made)
    return run(made, ONE:format "in and out", { it = { exec = { "cat" }, retries = 0 } }, {})
  end },
  http = { result = "xxxxx", finish = close, run = function(made) return ask(made, address) end },
  libcurl = { result = "xxxxx", words = { "cannot find the address", "No URL set" }, finish = close, run = function(made)
    return ask(made, (address:gsub("127.0.0.1", "127.1"))) -- which is not asked straight
  end },
}

local function open_files()
  local count = 0
  for _ in lfs.dir "/proc/self/fd" do count = count + 1 end
  return count
end

local function folder()
  local path = os.getenv("SWEEP"):match "^.*/" .. "made"
  assert(lfs.mkdir(path))
  return path
end

local function remove(path)
  for file in lfs.dir(path) do os.remove(path .. "/" .. file) end
  assert(lfs.rmdir(path))
end

-- Whatever was refused says so: any other error means that a refusal was not seen where it happened.
-- Lua's `require` and libcurl have words of their own for some.
local function is_clear(workload, err)
  local message = tostring(err)
  for _, words in ipairs(workload.words or {}) do
    if message:find(words) then return true end
  end
  return message:lower():find "memory" ~= nil
end

local problems = 0

local function problem(number, what)
  problems = problems + 1
  print(("allocation %d: %s"):format(number, what))
end

local function try(workload, number)
  local made = { folder = folder() }
  sweep.fail(number, failing)
  local ok, result, err = pcall(workload.run, made)
  local calls = sweep.stop()
  if not ok then result, err = nil, result end
  if result ~= workload.result and not is_clear(workload, err) then problem(number, ("%s, %s"):format(result, err)) end
  local finished, wrong = pcall(workload.finish or tostring, made)
  if not finished then problem(number, wrong) end
  remove(made.folder)
  collectgarbage() -- Lua calls no finalizer while memory is short
  return calls >= number, result ~= workload.result
end

local workload = assert(workloads[name], name)
try(workload, math.maxinteger >> 1)
local files, tried, failed, number = open_files(), 0, 0, first
io.stdout:setvbuf "line"
while true do
  print(number)
  local reached, refused = try(workload, number)
  if not reached then break end
  tried, failed, number = tried + 1, failed + (refused and 1 or 0), number + step
end
if open_files() > files then error(("%d files are left open"):format(open_files() - files), 0) end
print(("%s: %d tried, %d refused, %d wrong"):format(name, tried, failed, problems))
if problems > 0 then error("something was wrong", 0) end
