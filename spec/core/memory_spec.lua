local core = require "orchlua.core"

local memory = core.memory

describe("core.memory weighs", function()
  it("tables and strings, each once", function()
    local text = ("x"):rep(1000)
    local one = memory.weigh { text }
    assert.is_true(one > 1000 and one < 1200)
    assert.equal(one + 16, memory.weigh { text, text })
    local inner = {}
    assert.equal(memory.weigh { inner } + 16, memory.weigh { inner, inner })
    assert.equal(0, memory.weigh(12))
    assert.equal(0, memory.weigh(print))
  end)

  it("cycles, and lists of a million links", function()
    local cycle = {}
    cycle.cycle = cycle
    assert.is_true(memory.weigh(cycle) < 200)
    local list = {}
    for _ = 1, 1000000 do list = { list } end
    assert.is_true(memory.weigh(list) > 72e6)
  end)

  it("about what Lua takes", function()
    collectgarbage()
    local before = collectgarbage "count"
    local list = {}
    for i = 1, 50000 do list[i] = { n = i, text = "text " .. i } end
    collectgarbage()
    local taken = (collectgarbage "count" - before) * 1024
    local weighed = memory.weigh(list)
    assert.is_true(weighed > 0.7 * taken and weighed < 1.3 * taken, ("%d of %d"):format(weighed, taken))
  end)

  it("nothing that it is told to pass over", function()
    local large = { ("x"):rep(10000) }
    assert.is_true(memory.weigh({ large }, { [large] = true }) < 100)
  end)
end)

describe("core.memory's guard", function()
  local guard = memory.guard()

  it("is one for a Lua state", function() assert.equal(guard, memory.guard()) end)

  it("counts what is allocated, garbage too", function()
    guard:arm(2 ^ 40 // 1 | 0)
    for _ = 1, 1000 do local _ = { 1, 2, 3, 4 } end
    local allocated = guard:allocated()
    assert.is_true(allocated >= 1000 * (56 + 64), tostring(allocated))
    assert.is_true(guard:disarm() >= allocated)
  end)

  it("refuses growth beyond its bound, and none when it is disarmed", function()
    guard:arm(10 * 1024 * 1024)
    local ok, message = pcall(string.rep, "x", 20 * 1024 * 1024)
    guard:disarm()
    assert.is_false(ok)
    assert.matches("not enough memory", message)
    assert.equal(20 * 1024 * 1024, #string.rep("x", 20 * 1024 * 1024))
  end)

  it("refuses what is no size", function()
    assert.has_error(function() guard:arm(-1) end)
    assert.has_error(function() guard:arm "much" end)
  end)
end)
