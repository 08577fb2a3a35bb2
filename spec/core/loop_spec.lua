-- The loop: turns, timers, signals, coroutines and their errors.

local core = require "orchlua.core"
local turning = require "spec.support.turning"

local run, sleep = turning.run, turning.sleep

local function new() return assert(core.loop.new()) end

local function drive(loop)
  while loop:turn() do end
end

local function in_coroutine(loop, work, ...)
  local co = coroutine.create(work)
  loop:resume(co, ...)
  return co
end

local function raise_signal(name) os.execute(("kill -%s %d"):format(name, turning.pid())) end

describe("a turn", function()
  it("is false at once when nothing is active and no time is given", function()
    local loop <close> = new()
    local before = core.loop.clock()
    assert.is_false(loop:turn())
    assert.is_true(core.loop.clock() - before < 1)
  end)

  it("waits as long as it is told when nothing is active, without using the processor", function()
    local loop <close> = new()
    local before, cpu = core.loop.clock(), os.clock()
    assert.is_false(loop:turn(0.3))
    local took = core.loop.clock() - before
    assert.is_true(took > 0.29 and took < 2)
    assert.is_true(os.clock() - cpu < 0.1)
  end)

  it("waits no longer than it is told, and is true while a timer runs", function()
    local loop <close> = new()
    local timer <close> = loop:timer(10)
    local before = loop:now()
    assert.is_true(loop:turn(0))
    assert.is_true(loop:turn(0.05))
    local took = loop:now() - before
    assert.is_true(took > 0.0499 and took < 1)
    assert.equal(1, loop:handles())
    assert.truthy(timer)
  end)

  it("waits without turning round and round", function()
    local loop <close> = new()
    local done = false
    in_coroutine(loop, function() sleep(loop, 0.3); done = true end)
    local turns, cpu = 0, os.clock()
    while not done do loop:turn(); turns = turns + 1 end
    assert.is_true(turns < 5)
    assert.is_true(os.clock() - cpu < 0.1)
  end)

  it("cannot be made inside a turn", function()
    run(function(loop) assert.error_matches(function() loop:turn() end, "turns already") end)
  end)

  it("can be made from a coroutine", function()
    local loop <close> = new()
    local ended = false
    in_coroutine(loop, function() sleep(loop, 0.01); ended = true end)
    assert(coroutine.resume(coroutine.create(function() drive(loop) end)))
    assert.is_true(ended)
  end)

  it("refuses what is no time", function()
    local loop <close> = new()
    for _, bad in ipairs { -1, 0 / 0, "x", {}, true } do
      assert.has_error(function() loop:turn(bad) end)
      assert.has_error(function() loop:timer(bad) end)
    end
    assert.has_error(function() loop:timer() end)
  end)
end)

describe("the time", function()
  it("of a turn stands still and never goes back", function()
    run(function(loop)
      local last = loop:now()
      for _ = 1, 20 do
        local now = loop:now()
        assert.is_true(now >= last)
        for _ = 1, 1e5 do assert(true) end
        assert.equal(now, loop:now())
        sleep(loop, 0.001)
        last = now
      end
    end)
  end)

  it("of the clock is that of the world", function()
    assert.is_true(math.abs(core.loop.clock() - os.time()) < 2)
  end)
end)

describe("a timer", function()
  it("returns true when its time has come, and not before", function()
    run(function(loop)
      for _, seconds in ipairs { 0, 0.001, 0.02, 0.1 } do
        local before = loop:now()
        local timer <close> = loop:timer(seconds)
        assert.is_true(timer:wait())
        assert.is_true(loop:now() - before > seconds - 1e-6)
        assert.is_true(timer:wait())
      end
    end)
  end)

  it("counts from when it was made, also when Lua has been busy", function()
    run(function(loop)
      local stop = core.loop.clock() + 0.1
      while core.loop.clock() < stop do end
      local before = core.loop.clock()
      sleep(loop, 0.05)
      assert.is_true(core.loop.clock() - before >= 0.049)
    end)
  end)

  it("that has come is there at once", function()
    run(function(loop)
      local timer <close> = loop:timer(0)
      sleep(loop, 0.02)
      local now = loop:now()
      assert.is_true(timer:wait())
      assert.equal(now, loop:now())
    end)
  end)

  it("comes in its order among others", function()
    run(function(loop)
      local order, works = {}, {}
      for i = 1, 20 do
        works[i] = function()
          sleep(loop, (21 - i) * 0.005)
          order[#order + 1] = 21 - i
        end
      end
      turning.all(loop, works)
      for i = 1, 20 do assert.equal(i, order[i]) end
    end)
  end)

  it("wakes ten thousand coroutines", function()
    run(function(loop)
      local count = 0
      for _ = 1, 10000 do
        in_coroutine(loop, function()
          for _ = 1, 3 do sleep(loop, 0.001) end
          count = count + 1
        end)
      end
      assert.is_true(turning.eventually(loop, function() return count == 10000 end))
    end)
  end)

  it("takes a time longer than any life", function()
    run(function(loop)
      for _, seconds in ipairs { 1e9, 1e300, math.huge } do
        local timer <close> = loop:timer(seconds)
        assert.is_true(loop:handles() >= 1)
        assert.truthy(timer)
      end
    end)
  end)
end)

describe("waiting", function()
  it("needs a coroutine", function()
    local loop <close> = new()
    local timer <close> = loop:timer(0)
    assert.error_matches(function() timer:wait() end, "only a coroutine can wait")
  end)

  it("does not work inside a function of C", function()
    run(function(loop)
      local timer <close> = loop:timer(0)
      assert.error_matches(function()
        table.sort({ 2, 1 }, function() timer:wait() return false end)
      end, "only a coroutine can wait")
    end)
  end)

  it("is for one coroutine at a time", function()
    run(function(loop)
      local timer <close> = loop:timer(0.05)
      in_coroutine(loop, function() timer:wait() end)
      assert.error_matches(function() timer:wait() end, "another coroutine waits for this timer")
    end)
  end)

  it("goes on through protected calls and inner coroutines", function()
    run(function(loop)
      local seen
      assert(pcall(function()
        sleep(loop, 0.01)
        local inner = coroutine.wrap(function() sleep(loop, 0.01); seen = true end)
        inner()
      end))
      assert.is_true(turning.eventually(loop, function() return seen end))
    end)
  end)

  it("is not ended by a resume from elsewhere", function()
    run(function(loop)
      local result
      local co = in_coroutine(loop, function()
        local timer <close> = loop:timer(0.1)
        result = timer:wait()
      end)
      assert(coroutine.resume(co, "something else"))
      loop:resume(co, 1, 2, 3)
      assert.is_nil(result)
      assert.is_true(turning.eventually(loop, function() return result end))
    end)
  end)

  it("leaves alone what yields for other reasons", function()
    run(function(loop)
      local got
      local co = in_coroutine(loop, function()
        sleep(loop, 0.01)
        got = coroutine.yield("mine")
      end)
      sleep(loop, 0.05)
      assert.equal("suspended", coroutine.status(co))
      loop:resume(co, "given")
      assert.equal("given", got)
    end)
  end)
end)

describe("closing a handle", function()
  it("tells another coroutine that waits", function()
    run(function(loop)
      local result, problem
      local timer <close> = loop:timer(1000)
      in_coroutine(loop, function() result, problem = timer:wait() end)
      timer:close()
      timer:close()
      assert.is_nil(problem)
      sleep(loop, 0)
      assert.is_nil(result)
      assert.same({ type = "cancelled", message = "the timer was closed" }, problem)
      assert.same({ nil, problem }, { timer:wait() })
    end)
  end)

  it("happens when the coroutine that waits is closed, which then is not resumed", function()
    run(function(loop)
      local after = false
      local co = in_coroutine(loop, function()
        local timer <close> = loop:timer(0.02)
        timer:wait()
        after = true
      end)
      local before = loop:handles()
      assert(coroutine.close(co))
      assert.equal(before - 1, loop:handles())
      sleep(loop, 0.05)
      assert.is_false(after)
      assert.equal("dead", coroutine.status(co))
    end)
  end)

  it("is left to the collector when nobody holds it", function()
    run(function(loop)
      local waiting = { in_coroutine(loop, function() loop:timer(1000):wait() end) }
      loop:timer(1000)
      sleep(loop, 0)
      collectgarbage()
      assert.equal(1, loop:handles())
      assert(coroutine.close(table.remove(waiting))) -- its handle is in no <close> variable
      collectgarbage()
      collectgarbage()
      assert.equal(0, loop:handles())
    end)
  end)

  it("lets another wait when the one that waited was closed", function()
    run(function(loop)
      local timer <close> = loop:timer(0.03)
      local co = in_coroutine(loop, function() timer:wait() end)
      assert(coroutine.close(co))
      assert.is_true(timer:wait())
    end)
  end)

  it("keeps what is waited for through collections", function()
    run(function(loop)
      local count = 0
      for i = 1, 200 do
        in_coroutine(loop, function()
          for _ = 1, 5 do loop:timer(i % 7 / 1000):wait(); collectgarbage "step" end
          count = count + 1
        end)
      end
      collectgarbage()
      assert.is_true(turning.eventually(loop, function() collectgarbage() return count == 200 end))
    end)
  end)
end)

describe("an error", function()
  it("that leaves a coroutine is raised by the turn, with the coroutine's traceback", function()
    local loop <close> = new()
    local closed = false
    local function culprit()
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      sleep(loop, 0.01)
      error "lost"
    end
    local co = in_coroutine(loop, culprit)
    local ok, message = pcall(drive, loop)
    assert.is_false(ok)
    assert.truthy(message:find "lost")
    assert.truthy(message:find("in upvalue 'culprit'", 1, true) or message:find("in function <", 1, true))
    assert.equal("dead", coroutine.status(co))
    assert.is_true(closed)
    assert.is_false(loop:turn())
  end)

  it("that is no text is raised as it is", function()
    local loop <close> = new()
    local problem = setmetatable({ type = "x" }, { __tostring = function() return "shown" end })
    in_coroutine(loop, function() sleep(loop, 0); error(problem) end)
    local ok, raised = pcall(drive, loop)
    assert.is_false(ok)
    assert.equal(problem, raised)
  end)

  it("of a coroutine resumed from Lua comes out of the turn too", function()
    local loop <close> = new()
    in_coroutine(loop, function() error "early" end)
    assert.error_matches(function() loop:turn(0) end, "early")
    assert.is_false(loop:turn(0))
  end)

  it("loses nothing that was ready", function()
    local loop <close> = new()
    local count = 0
    for i = 1, 10 do
      in_coroutine(loop, function() sleep(loop, 0); count = count + 1; if i == 3 then error "third" end end)
    end
    assert.is_false(pcall(drive, loop))
    drive(loop)
    assert.equal(10, count)
  end)

  it("of endless recursion does no harm", function()
    local loop <close> = new()
    local function deep() return 1 + deep() end
    in_coroutine(loop, function() sleep(loop, 0); deep() end)
    assert.error_matches(function() drive(loop) end, "stack overflow")
    local function nest() loop:resume(coroutine.create(nest)) end
    in_coroutine(loop, nest)
    assert.error_matches(function() drive(loop) end, "stack overflow")
    assert.is_false(loop:turn(0))
  end)
end)

describe("resume", function()
  it("hands over values and refuses what is not suspended", function()
    local loop <close> = new()
    local got
    local co = in_coroutine(loop, function(...) got = { ... } end, 1, nil, "x")
    assert.same({ 1, nil, "x" }, got)
    assert.error_matches(function() loop:resume(co) end, "not suspended")
    assert.has_error(function() loop:resume(coroutine.running()) end)
    assert.has_error(function() loop:resume(print) end)
  end)
end)

describe("defer", function()
  it("calls in the next turn, in order", function()
    local loop <close> = new()
    local order = {}
    for i = 1, 100 do loop:defer(function() order[#order + 1] = i end) end
    assert.equal(0, #order)
    assert.is_false(loop:turn())
    for i = 1, 100 do assert.equal(i, order[i]) end
  end)

  it("keeps the loop active, and what is deferred in a turn is for the next", function()
    local loop <close> = new()
    local count = 0
    local function again()
      count = count + 1
      if count < 5 then loop:defer(again) end
    end
    loop:defer(again)
    for i = 1, 4 do
      assert.is_true(loop:turn())
      assert.equal(i, count)
    end
    assert.is_false(loop:turn())
  end)

  it("does not keep timers and processes from their turn", function()
    run(function(loop)
      local until_then, rang, ended = loop:now() + 5, false, false
      local function again()
        if not (rang and ended) and loop:now() < until_then then loop:defer(again) end
      end
      again()
      sleep(loop, 0.02)
      rang = true
      assert.is_true(loop:now() < until_then, "the timer came when nothing was deferred any more")
      local process <close> = assert(loop:process { args = { "true" } })
      assert.equal(0, process:wait().status)
      ended = true
      assert.is_true(loop:now() < until_then, "the process ended when nothing was deferred any more")
    end)
  end)

  it("raises the callback's error from the turn, and keeps the rest", function()
    local loop <close> = new()
    local called = false
    loop:defer(function() error "in callback" end)
    loop:defer(function() called = true end)
    assert.error_matches(function() loop:turn() end, "in callback")
    loop:turn()
    assert.is_true(called)
    assert.has_error(function() loop:defer() end)
  end)
end)

describe("a signal", function()
  it("calls its callback inside a turn, once for each", function()
    local loop <close> = new()
    local count = 0
    local watch <close> = loop:signal("USR1", function() count = count + 1 end)
    raise_signal "USR1"
    raise_signal "USR1"
    assert.equal(0, count)
    assert.is_false(loop:turn()) -- it does not keep the loop active
    assert.equal(2, count)
    assert.truthy(watch)
  end)

  it("ends the wait of a turn", function()
    local loop <close> = new()
    local timer <close> = loop:timer(10)
    local seen = false
    local watch <close> = loop:signal("USR1", function() seen = true end)
    os.execute(("(sleep 0.1; kill -USR1 %d) &"):format(turning.pid()))
    local before = core.loop.clock()
    while not seen do loop:turn() end
    assert.is_true(core.loop.clock() - before < 3)
    assert.truthy(timer and watch)
  end)

  it("can be asked for while the loop does not turn", function()
    run(function(loop)
      local count = 0
      local watch <close> = loop:signal("USR2", function() count = count + 1 end)
      assert.is_nil(loop:pending_signal())
      raise_signal "USR2"
      assert.equal("USR2", loop:pending_signal())
      assert.equal("USR2", loop:pending_signal())
      assert.equal(0, count)
      sleep(loop, 0)
      assert.equal(1, count)
      assert.is_nil(loop:pending_signal())
      assert.truthy(watch)
    end)
  end)

  it("is watched for until its handle is closed, whether anybody holds it or not", function()
    local loop <close> = new()
    local count = 0
    local watch = setmetatable({ loop:signal("USR1", function() count = count + 1 end) }, { __mode = "v" })
    collectgarbage()
    raise_signal "USR1"
    loop:turn(0)
    assert.equal(1, count)
    watch[1]:close()
    collectgarbage()
    assert.is_nil(watch[1])
    assert.equal(0, loop:handles())
  end)

  it("may close itself, raise, and not be known", function()
    local loop <close> = new()
    local watch
    watch = loop:signal("USR1", function() watch:close(); error "from the callback" end)
    raise_signal "USR1"
    assert.error_matches(function() loop:turn(0) end, "from the callback")
    assert.equal(0, loop:handles())
    assert.error_matches(function() loop:signal("NOPE", print) end, "name of a signal")
    assert.error_matches(function() loop:signal("KILL", print) end, "cannot watch")
    assert.has_error(function() loop:signal "INT" end)
  end)
end)

describe("closing the loop", function()
  it("ends everything, more than once, and refuses what comes after", function()
    local loop = new()
    local timer = loop:timer(1000)
    local resumed = false
    in_coroutine(loop, function() timer:wait(); resumed = true end)
    in_coroutine(loop, function() loop:process({ args = { "sleep", "100" } }):wait(); resumed = true end)
    loop:signal("USR1", print)
    loop:defer(print)
    loop:close()
    loop:close()
    assert.is_false(resumed)
    assert.error_matches(function() loop:turn() end, "the loop is closed")
    assert.error_matches(function() loop:timer(1) end, "the loop is closed")
    assert.equal("cancelled", select(2, timer:wait()).type)
    timer:close()
  end)

  it("works from inside a turn", function()
    local loop = new()
    local after = false
    in_coroutine(loop, function() sleep(loop, 0.01); loop:close(); after = true end)
    in_coroutine(loop, function() sleep(loop, 0.01); after = nil end)
    assert.is_true(loop:turn(0))
    assert.is_false(loop:turn())
    assert.is_true(after)
  end)

  it("is left to the collector when everybody has forgotten the loop", function()
    collectgarbage()
    local before = turning.files()
    for _ = 1, 20 do
      local loop = new()
      in_coroutine(loop, function() loop:timer(1000):wait() end)
      loop:signal("USR1", function() return loop end)
      loop:defer(function() return loop end)
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(turning.files() <= before)
  end)
end)
