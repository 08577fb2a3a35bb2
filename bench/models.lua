-- What calls to model servers cost, beside the same calls by wrk and by node's undici on
-- the same stub, which is a process of its own (bench/stub.c). Programs run in memory.

local clocks = require "orchlua.clock"
local config = require "orchlua.config"
local core = require "orchlua.core"
local measure = require "bench.measure"
local orchlua = require "orchlua"

local clock = core.loop.clock

local CALLS, LIMIT = 2000, 256
local STUB_SECONDS = 0.05
local BODY = '{"model":"stub","messages":[{"role":"user","content":"p"}],"max_tokens":4096}'

-- The stub ---------------------------------------------------------------------------

-- Starts the stub; `url`, and `stop()`. It ends when the pipe to it is closed.
local function stub(arguments)
  local name = os.tmpname()
  local pipe = assert(io.popen(("build/bench/stub %s > %s"):format(arguments or "", name), "w"))
  local port
  repeat
    local file = assert(io.open(name))
    port = file:read "n"
    file:close()
  until port
  os.remove(name)
  return { url = "http://127.0.0.1:" .. port, stop = function() pipe:close() end }
end

-- Our calls ---------------------------------------------------------------------------

local PROGRAM = [[
INPUT n
INPUT limit
PARALLEL(limit: limit):
  FOREACH i IN RANGE(n):
    EVENT completion:async {agent_id: "m", prompt: "p"} AS r
]]

local function checked_for(url, limit)
  local m = { openai = { base_url = url .. "/v1", model = "stub" }, memory = false, system = false, concurrency = limit }
  return assert(config.check({ agents = { m = m } }, ".", "bench"))
end

-- A runtime for calls to a stub, and a function that makes some and gives the seconds they took.
local function caller(url, limit)
  local checked = checked_for(url, limit)
  local program = assert(orchlua.compile(PROGRAM, { name = "bench.dsl", config = checked }))
  local rt = assert(orchlua.runtime { config = checked, seed = 1 })
  return function(calls)
    local run = assert(rt:start(program, { input = { n = calls, limit = limit } }))
    local from = clock()
    rt:loop()
    assert(run.status == "completed" and run.usage.output == 12 * calls, tostring(run.error))
    return clock() - from
  end, rt
end

-- Median seconds of five rounds, behind one that opens the connections.
local function seconds_of(url, calls, limit)
  local call, rt = caller(url, limit)
  local times = {}
  call(calls)
  for i = 1, measure.ROUNDS do times[i] = call(calls) end
  rt:close()
  return measure.median(times)
end

-- Requests a second of the loop alone, with no run, no call and no JSON around them: what of a call is libcurl's and the core's.
local function requests_alone(url)
  local loop <close>, rates = core.loop.new(), {}
  local request = { url = url .. "/v1/chat/completions", body = BODY, headers = { { "Content-Type", "application/json" } } }
  for i = 0, measure.ROUNDS do
    local left, from = CALLS, clock()
    local function worker()
      while left > 0 do
        left = left - 1
        local handle <close> = assert(loop:request(request))
        assert(handle:head() and handle:body())
      end
    end
    for _ = 1, LIMIT do loop:resume(coroutine.create(worker)) end
    repeat until not loop:turn()
    rates[i] = CALLS / (clock() - from)
  end
  return measure.median(rates)
end

-- Others' calls -------------------------------------------------------------------------

local function output_of(command)
  local pipe = io.popen(command .. " 2>/dev/null")
  local text = pipe:read "a"
  pipe:close()
  return text
end

local function by_node(url)
  os.execute "mkdir -p build/bench/node; cp bench/undici.mjs build/bench/node/"
  os.execute "cd build/bench/node && [ -d node_modules/undici ] || timeout 60 npm install --no-save --no-audit --no-fund undici@6 >/dev/null 2>&1"
  return tonumber(output_of(("cd build/bench/node && node undici.mjs %s %d %d"):format(url, CALLS, LIMIT)))
end

local function by_wrk(url)
  local script = os.tmpname()
  local file = assert(io.open(script, "w"))
  file:write(("wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = %q\n"):format(BODY))
  file:close()
  local text = output_of(("wrk -t1 -c%d -d2s -s %s %s/v1/chat/completions"):format(LIMIT, script, url))
  os.remove(script)
  return tonumber(text:match "Requests/sec:%s*([%d.]+)")
end

-- Figures --------------------------------------------------------------------------------

local function add_slow_server(report)
  local server = stub("--delay " .. STUB_SECONDS)
  local least = CALLS / LIMIT * STUB_SECONDS
  local ours = seconds_of(server.url, CALLS, LIMIT)
  server.stop()
  report:add { name = ("%d calls of %d ms, %d at a time"):format(CALLS, STUB_SECONDS * 1000, LIMIT), value = ours * 1000, unit = "ms",
    beside = "calls ÷ limit × delay", floor = least * 1000, goal = "ratio", most = 1.15 }
end

-- The same server at an address that is left to libcurl, as those of others are.
local function through_libcurl(url) return (url:gsub("127%.0%.0%.1", "127.1")) end

local function add_fast_server(report)
  local server = stub()
  local ours = CALLS / seconds_of(server.url, CALLS, LIMIT)
  local node, wrk, alone = by_node(server.url), by_wrk(server.url), requests_alone(server.url)
  local others = through_libcurl(server.url)
  local by_libcurl, alone_by_libcurl = CALLS / seconds_of(others, CALLS, LIMIT), requests_alone(others)
  server.stop()
  report:add { name = ("calls of 0 ms, %d at a time"):format(LIMIT), value = ours, unit = "calls/s",
    beside = node and "node's undici" or "node's undici did not run", floor = node and CALLS / node, goal = "ratio", least = node and 1 }
  if wrk then report:add { name = "the same", value = ours, unit = "calls/s", beside = "wrk", floor = wrk } end
  report:add { name = "requests of the loop, with no run around them", value = alone, unit = "requests/s",
    beside = node and "node's undici" or "node's undici did not run", floor = node and CALLS / node }
  report:add { name = "calls of 0 ms through libcurl", value = by_libcurl, unit = "calls/s", beside = "straight", floor = ours }
  report:add { name = "requests of the loop through libcurl", value = alone_by_libcurl, unit = "requests/s", beside = "straight", floor = alone }
end

-- As many calls each time, so that each pays its share of the collector.
local function add_many_at_once(report)
  local server = stub()
  local few, many = seconds_of(server.url, 5000, 500) / 5000, seconds_of(server.url, 5000, 5000) / 5000
  server.stop()
  report:add { name = "a call with 5,000 at once", value = many * 1e6, unit = "µs", beside = "with 500 at once", floor = few * 1e6, goal = "ratio", most = 1 }
end

local function resident()
  for line in io.lines "/proc/self/status" do
    local kilobytes = line:match "^VmRSS:%s+(%d+)"
    if kilobytes then return tonumber(kilobytes) * 1024 end
  end
end

local function add_memory_of_calls(report)
  local server = stub "--delay 1.5"
  local call, rt = caller(server.url, 2000)
  call(1)
  collectgarbage()
  local before, most = resident(), 0
  local timer = rt.clock:after(1, 1, function() most = resident() end)
  call(2000)
  server.stop()
  rt:close()
  assert(not clocks.is_pending(timer))
  report:add { name = "a call in flight, of 2,000", value = (most - before) / 2000 / 1024, unit = "KB", most = 64 }
end

-- The longest that something due every millisecond is kept waiting while large replies come in, one after another.
local function longest_gap(arguments)
  local server = stub(arguments)
  local call, rt = caller(server.url, 1)
  local last, longest, over = clock(), 0, false
  local function tick()
    local now = clock()
    last, longest = now, math.max(longest, now - last)
    if not over then rt.clock:after(0.001, 1, tick) end
  end
  tick()
  call(4)
  over = true
  server.stop()
  rt:close()
  return longest
end

local function add_large_replies(report)
  local size = 10 * 1024 * 1024
  report:add { name = "the longest wait of others while 10 MB of text come", value = longest_gap("--size " .. size) * 1000, unit = "ms", most = 50 }
  report:add { name = "the same while 10 MB of JSON come", value = longest_gap(("--size %d --json"):format(size)) * 1000, unit = "ms", most = 50 }
end

--- Adds what calls to model servers cost.
---@param report table
return function(report)
  core.loop.allow_files()
  report:section "Calls to model servers, from a run in memory"
  add_memory_of_calls(report)
  add_large_replies(report)
  add_slow_server(report)
  add_fast_server(report)
  add_many_at_once(report)
end
