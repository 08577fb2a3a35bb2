-- Runs that are cut off while they end or fail: what they are left with, and how they go on.

local core = require "orchlua.core"
local orchlua = require "orchlua"

local LONG = ("x"):rep(70000)

describe("a run with a store", function()
  local store
  before_each(function() store = os.tmpname() end)
  after_each(function() os.execute(("rm -f %s %s-wal %s-shm %s-bell"):format(store, store, store, store)) end)

  local function host(config) return assert(orchlua.runtime { store = store, durability = "relaxed", config = config }) end

  -- Drives it until `stop()`, and lets go of it there.
  local function begun(config, text, stop)
    local rt = host(config)
    local run = assert(rt:start(assert(orchlua.compile(text)), { run_id = "r" }))
    rt:loop { stop = stop, until_parked = stop ~= nil }
    rt:close()
    return run
  end

  local function resumed(config)
    local rt = host(config)
    local run = assert(rt:resume "r")
    rt:loop()
    rt:close()
    return run
  end

  it("may be kept as a snapshot when its main branch has been cancelled and FINALLY blocks still ask", function()
    local config = { agents = { big = function() return LONG end } }
    local text = 'PARALLEL:\n  BRANCH a:\n    TRY:\n      WAIT 5\n    FINALLY:\n      PERSIST note {key: "a", data: {left: true}}\n' ..
      '  BRANCH b:\n    EVENT completion:async {agent_id: "big", prompt: "go"} AS r\n    RETURN "done"\n'
    assert.equal("done", begun(config, text).result)
  end)

  it("that was cancelled has the rest of its 30 seconds for FINALLY when it goes on, whenever that is", function()
    local cancelled, slept = false, 0
    local config = { agents = { slow = function()
      cancelled, slept = true, slept + 1
      orchlua.sleep(slept == 1 and 30 or 0.01)
      return "clean"
    end } }
    local rt = host(config)
    local text = 'TRY:\n  AWAIT x FROM person\nFINALLY:\n  EVENT completion:async {agent_id: "slow", prompt: "c"} AS r\n  PERSIST t {key: "k", data: {a: r.output}}\n'
    assert(rt:start(assert(orchlua.compile(text)), { run_id = "r" }))
    rt:loop { until_parked = true }
    assert(rt:cancel "r")
    rt:loop { stop = function() return cancelled end }
    rt:close()
    -- Nobody drives it for a day.
    local clock = core.loop.clock
    local _ <close> = setmetatable({}, { __close = function() core.loop.clock = clock end })
    core.loop.clock = function() return clock() + 86400 end
    assert.equal("cancelled", resumed(config).status)
    rt = host(config)
    local look = assert(rt:start(assert(orchlua.compile 'EVENT state:entity:get {type: "t", id: "k"} AS e\nRETURN e.properties.a'), { run_id = "look" }))
    rt:loop()
    rt:close()
    assert.equal("clean", look.result)
  end)

  it("that failed at an AWAIT sends the request that failed again, and takes nothing else from its mailbox", function()
    local mended = false
    local config = { agents = { echo = function() return "echo" end, gate = function() if not mended then error "shut" end return "open" end } }
    for from, expected in pairs { [""] = "open", [" FROM gate"] = "open", [" FROM ALL([echo, gate])"] = "echoopen" } do
      mended = false
      local text = (from:find "ALL" and 'EVENT completion:async {agent_id: "echo", prompt: "x"}\n' or "") ..
        'EVENT completion:async {agent_id: "gate", prompt: "x", on_error: "raise"}\nAWAIT r' .. from .. '\n' ..
        (from:find "ALL" and "RETURN r[0].output + r[1].output" or "RETURN r.output")
      assert.matches("shut", begun(config, text).error.message)
      mended = true
      local run = resumed(config)
      assert.equal(expected, run.result, from)
      os.execute(("rm -f %s %s-wal %s-shm %s-bell"):format(store, store, store, store))
    end
  end)

  it("has no more branches of a PARALLEL at a time than its limit says, also when they go on after they failed", function()
    local mended, now, most = false, 0, 0
    local config = { agents = { gate = function()
      now = now + 1
      most = math.max(most, now)
      orchlua.sleep(0.005)
      now = now - 1
      if not mended then error "shut" end
      return "open"
    end } }
    local text = 'STATE n = 0\nPARALLEL(limit: 2):\n  FOREACH i IN RANGE(7):\n    EVENT completion:async {agent_id: "gate", prompt: "{{i}}", on_error: "raise", retries: 0} AS r\n' ..
      "    UPDATE n = n + 1\nRETURN n"
    assert.equal("failed", begun(config, text).status)
    assert.equal("failed", resumed(config).status)
    mended = true
    assert.equal(7, resumed(config).result)
    assert.equal(2, most)
  end)

  it("hands a signal to a pattern that awaits it", function()
    local config = { patterns = { person = { name = "person", description = "p", params = {}, run = function(flow)
      return { output = flow:await { from = "go" }.result }
    end } } }
    begun(config, "EVENT pattern:person {} AS r\nRETURN r.output", function() return false end)
    local rt = host(config)
    assert(rt:signal("r", "go", "yes"))
    rt:close()
    assert.equal("yes", resumed(config).result)
  end)
end)
