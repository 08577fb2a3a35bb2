local clock = require "orchlua.clock"

describe("the virtual clock", function()
  it("jumps to what is due next, replies before timers, then in the order of creation", function()
    local c, log = clock.virtual(), {}
    local function at(seconds, class, name) return c:after(seconds, class, function() log[#log + 1] = name end) end
    at(2, clock.TIMER, "t2")
    at(1, clock.TIMER, "t1")
    at(1, clock.REPLY, "r1")
    at(1, clock.TIMER, "t1b")
    c:cancel(at(1.5, clock.TIMER, "never"))
    local start = c:now()
    while c:fire() do end
    assert.equal("r1 t1 t1b t2", table.concat(log, " "))
    assert.equal(2, c:now() - start)
    assert.is_nil(c:next())
  end)

  it("does not come to the end of its seconds", function()
    local time, called = clock.virtual(), {}
    time:after(math.maxinteger, clock.TIMER, function() called[#called + 1] = "late" end)
    time:after(1, clock.TIMER, function() called[#called + 1] = "soon" end)
    while time:fire() do end
    assert.same({ "soon", "late" }, called)
  end)

  it("stands still while it is held", function()
    local c, called = clock.virtual(), false
    c:after(1, clock.TIMER, function() called = true end)
    c:hold()
    assert.is_false(c:fire())
    c:release()
    assert.is_true(c:fire())
    assert.is_true(called)
  end)
end)

describe("the heap", function()
  it("gives things back in order, whatever is called off", function()
    local c, expected, got = clock.virtual(), {}, {}
    for i = 1, 5000 do
      local seconds = math.random(1, 1000) / 8
      local due = c:after(seconds, clock.TIMER, function() got[#got + 1] = seconds end)
      if i % 3 == 0 then c:cancel(due) else expected[#expected + 1] = seconds end
    end
    table.sort(expected)
    while c:fire() do end
    assert.same(expected, got)
  end)
end)
