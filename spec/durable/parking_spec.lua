-- Waiting costs nothing: runs that only wait leave memory, and come back.

local config = require "orchlua.config"
local core = require "orchlua.core"
local orchlua = require "orchlua"
local parking = require "orchlua.parking"
local leases = require "orchlua.store.lease"

local checked = assert(config.check({ agents = { ["*"] = function(request) return "<" .. request.prompt .. ">" end } }, ".", "spec"))

local function compile(text) return assert(orchlua.compile(text, { name = "parked.dsl", config = checked })) end

describe("runs that only wait", function()
  local path, seconds, in_memory, renew
  before_each(function()
    path = io.popen("mktemp -d -p /dev/shm 2>/dev/null || mktemp -d"):read "l" .. "/s.db"
    seconds, in_memory, renew = parking.SECONDS, parking.IN_MEMORY, leases.RENEW_SECONDS
    parking.SECONDS, parking.IN_MEMORY, leases.RENEW_SECONDS = 0.1, 5, 0.05
  end)
  after_each(function()
    parking.SECONDS, parking.IN_MEMORY, leases.RENEW_SECONDS = seconds, in_memory, renew
    os.execute("rm -rf " .. path:match "^(.*)/")
  end)

  local function runtime() return assert(orchlua.runtime { store = path, config = checked, seed = 3 }) end

  local function loop_for(rt, time)
    local stop_at = core.loop.clock() + time
    rt:loop { stop = function() return core.loop.clock() > stop_at end }
  end

  it("leave memory, and come back on their timers with all they held", function()
    local rt, runs = runtime(), {}
    local program = compile 'INPUT n\nSTATE list = [n]\nSTATE both = {a: list, b: list}\nWAIT 0.8\nAPPEND both.a "x"\nEVENT completion:async {agent_id: "a", prompt: "{{n}}"} AS r\nRETURN {same: LENGTH(both.b), said: r.output}\n'
    for i = 1, 40 do runs[i] = assert(rt:start(program, { input = { n = i } })) end
    loop_for(rt, 0.5)
    assert.equal(35, rt.parking.count)
    assert.is_nil(runs[1].branches)
    rt:loop()
    assert.equal(0, rt.parking.count)
    for i = 1, 40 do
      assert.equal("completed", runs[i].status)
      assert.equal(('{"same":2,"said":"<%d>"}'):format(i), core.value.text(runs[i].result))
    end
    rt:close()
  end)

  it("come back on a signal, and on a message of another process", function()
    local rt, ids = runtime(), {}
    local program = compile "AWAIT m FROM go\nRETURN m.output\n"
    for i = 1, 20 do ids[i] = assert(rt:start(program)).id end
    loop_for(rt, 0.4)
    assert.equal(15, rt.parking.count)
    for i = 1, 10 do assert(rt:signal(ids[i], "go", "here " .. i)) end
    local other = runtime()
    for i = 11, 20 do assert(other.store:send(other.store:find(ids[i]), { kind = "signal", name = "go", body = '"there"' })) end
    other:close()
    rt:loop()
    local list = rt.store:list {}
    assert.equal(20, #list)
    for _, run in ipairs(list) do assert.equal("completed", run.status) end
    rt:close()
  end)

  it("leave memory again when a message came that they do not wait for", function()
    local rt, runs = runtime(), {}
    local program = compile "AWAIT m FROM go TIMEOUT 1000\nRETURN m.output\n"
    for i = 1, 20 do runs[i] = assert(rt:start(program)) end
    loop_for(rt, 0.4)
    local away
    for _, run in ipairs(runs) do away = not rt.runs[run.id] and run.id or away end
    assert.is_true(rt:signal(away, "no", 1))
    assert.equal(14, rt.parking.count)
    loop_for(rt, 0.4)
    assert.equal(15, rt.parking.count)
    rt:close()
  end)

  it("go on by the rows behind a snapshot, also when nothing was told since", function()
    local rt = runtime()
    assert(rt:start(compile "WAIT 0.3\nWAIT 0.3\nRETURN 1\n", { run_id = "r" }))
    loop_for(rt, 0.2)
    assert.equal(1, rt.store:query("SELECT count(*) AS n FROM snapshot")[1].n)
    parking.SECONDS = 60
    loop_for(rt, 0.2)
    rt:close()
    rt = runtime()
    local run = assert(rt:resume "r")
    rt:loop()
    assert.equal(1, run.result)
    rt:close()
  end)

  it("take 2 KiB of memory each while they stay there", function()
    local rt = runtime()
    local program = compile "INPUT n\nSTATE list = [n]\nWAIT 1000000\n"
    local function held_by(count)
      collectgarbage() collectgarbage()
      local before = collectgarbage "count"
      for i = 1, count do assert(rt:start(program, { input = { n = i } })) end
      rt:loop { until_parked = true }
      collectgarbage() collectgarbage()
      return (collectgarbage "count" - before) * 1024 / count
    end
    held_by(24)
    assert.is_true(held_by(1000) <= 2048)
    rt:close()
  end)

  it("are this process's own: one that another process drives is handed its message, and not taken", function()
    local rt, other = runtime(), runtime()
    local program = compile "AWAIT m FROM go\nRETURN m.output\n"
    for _ = 1, 20 do assert(rt:start(program)) end
    loop_for(rt, 0.4)
    assert.equal(15, rt.parking.count)
    local theirs = assert(other:start(program, { run_id = "theirs" }))
    loop_for(other, 0.05)
    assert.is_true(rt:signal("theirs", "go", "there"))
    assert.is_nil(rt.runs.theirs)
    assert.equal(15, rt.parking.count)
    other:loop { stop = function() return theirs.status ~= "running" end }
    assert.equal("there", theirs.result)
    rt:close()
    other:close()
  end)

  it("are not waited for any more when another process has taken them over, put away or not", function()
    local lease = leases.SECONDS
    local _ <close> = setmetatable({}, { __close = function() leases.SECONDS = lease end })
    leases.SECONDS = 0.5
    local rt, other, runs = runtime(), runtime(), {}
    local program = compile "AWAIT m FROM go\nRETURN m.output\n"
    for i = 1, 20 do runs[i] = assert(rt:start(program, { run_id = "r" .. i })) end
    runs[3], runs[4] = nil, nil
    loop_for(rt, 0.4)
    collectgarbage()
    assert.equal(15, rt.parking.count)
    -- It sleeps past its lease.
    os.execute "sleep 0.6"
    local kept = "r20"
    for i = 1, 19 do
      assert(other:resume("r" .. i))
      if i ~= 7 then assert(other:signal("r" .. i, "go", "there")) end
    end
    loop_for(other, 0.1)
    loop_for(rt, 0.2)
    assert.equal(1, rt.alive)
    assert(rt:signal(kept, "go", "here"))
    rt:loop()
    assert.equal(0, rt.parking.count)
    assert.equal("completed", rt.store:find(kept).status)
    runs[20] = nil
    for _, run in pairs(runs) do
      assert.equal("stopped", run.status)
      assert.equal("lease", run.error.type)
    end
    rt:close()
    other:close()
  end)

  it("are many: ten thousand in one store, found by the next process, each once", function()
    local rt = runtime()
    local program = compile 'INPUT n\nWAIT 1000\nRETURN n\n'
    for i = 1, 10000 do assert(rt:start(program, { input = { n = i }, run_id = "p" .. i })) end
    rt:loop { until_parked = true }
    rt:close()
    rt = runtime()
    assert.equal(10000, rt.store:query("SELECT count(*) AS n FROM run WHERE due IS NOT NULL AND driver IS NULL")[1].n)
    assert.same({}, rt.store:due())
    local run = assert(rt:resume "p7777")
    rt:cancel "p7777"
    rt:loop()
    assert.equal("cancelled", run.status)
    rt:close()
  end)
end)
