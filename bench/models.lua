-- What calls to model servers cost, beside the same calls by wrk and by node's undici on
-- the same stub, which is a process of its own (bench/stub.c). Programs run in memory.

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

local function say(text, ...) print(text:format(...)) end

local function slow_server()
  local server = stub("--delay " .. STUB_SECONDS)
  local least = CALLS / LIMIT * STUB_SECONDS
  local ours = seconds_of(server.url, CALLS, LIMIT)
  server.stop()
  say("%d calls of %d ms, %d at a time: %.3f s, %.2f of the least (%.3f s)", CALLS, STUB_SECONDS * 1000, LIMIT, ours, ours / least, least)
end

local function fast_server()
  local server = stub()
  local ours = seconds_of(server.url, CALLS, LIMIT)
  local node, wrk = by_node(server.url), by_wrk(server.url)
  server.stop()
  say("%d calls of 0 ms, %d at a time: %.0f calls/s; node's undici %s; wrk %s", CALLS, LIMIT, CALLS / ours,
    node and ("%.0f"):format(CALLS / node) or "did not run", wrk and ("%.0f"):format(wrk) or "did not run")
end

local function many_at_once()
  local server = stub()
  local few, many = seconds_of(server.url, 500, 500) / 500, seconds_of(server.url, 5000, 5000) / 5000
  server.stop()
  say("a call with 5,000 at once: %.0f µs; with 500: %.0f µs (%.2f)", many * 1e6, few * 1e6, many / few)
end

local function resident()
  for line in io.lines "/proc/self/status" do
    local kilobytes = line:match "^VmRSS:%s+(%d+)"
    if kilobytes then return tonumber(kilobytes) * 1024 end
  end
end

local function memory_of_calls()
  local server = stub "--delay 1.5"
  local call, rt = caller(server.url, 2000)
  call(1)
  collectgarbage()
  local before, most = resident(), 0
  local timer = rt.clock:after(1, 1, function() most = resident() end)
  call(2000)
  server.stop()
  rt:close()
  assert(timer.dead)
  say("2,000 calls in flight: %.1f KB each", (most - before) / 2000 / 1024)
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

local function large_replies()
  local size = 10 * 1024 * 1024
  say("longest wait of another branch while replies of 10 MB come: text %.0f ms, JSON %.0f ms",
    longest_gap("--size " .. size) * 1000, longest_gap(("--size %d --json"):format(size)) * 1000)
end

return function()
  core.loop.allow_files()
  collectgarbage "incremental" -- as the command does
  print "Model calls, in memory"
  memory_of_calls()
  large_replies()
  slow_server()
  fast_server()
  many_at_once()
end
