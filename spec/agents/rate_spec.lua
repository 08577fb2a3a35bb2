local clock = require "orchlua.clock"
local rate = require "orchlua.agents.rate"

-- Asks for the tokens of each try at once; gives when each one started, in virtual seconds.
local function starts(limits, tokens, used)
  local limit, time, started = rate.new(limits), clock.virtual(), {}
  local first = time:scale()
  for i, count in ipairs(tokens) do
    local waiter = { tokens = count }
    waiter.start = function()
      started[i] = time:scale() - first
      if used then time:after(1, clock.REPLY, function() limit:leave(time, waiter, used) end) end
    end
    limit:enter(time, waiter)
  end
  while time:fire() do end
  return started
end

describe("a rate", function()
  it("lets so many tries go in any stretch of time, in their order", function()
    assert.same({ 0, 0, 60, 60, 120 }, starts({ requests = 2, per = 60 }, { 1, 1, 1, 1, 1 }))
  end)

  it("lets so many tokens go, and one that needs more than there are goes alone", function()
    assert.same({ 0, 60, 60, 120, 180 }, starts({ tokens = 100, per = 60 }, { 80, 50, 50, 1000, 1 }))
  end)

  it("gives back what a try did not use", function()
    assert.same({ 0, 1, 2 }, starts({ tokens = 100, per = 60 }, { 90, 90, 90 }, 5))
  end)

  it("keeps the stack flat when tries end as soon as they have begun", function()
    local limit, time, started = rate.new { requests = 5000, tokens = 10, per = 60 }, clock.virtual(), 0
    for _ = 1, 5000 do
      local waiter = { tokens = 10 }
      waiter.start = function()
        started = started + 1
        coroutine.wrap(function() limit:leave(time, waiter, 0) end)()
      end
      limit:enter(time, waiter)
    end
    assert.equal(5000, started)
    limit:enter(time, { tokens = 0, start = function() started = started + 1 end })
    while time:fire() do end
    assert.equal(5001, started)
  end)

  it("goes on when a start raises", function()
    local limit, time, started = rate.new { requests = 10, per = 10 }, clock.virtual(), false
    assert.has_error(function() limit:enter(time, { tokens = 0, start = function() error("no", 0) end }) end, "no")
    limit:enter(time, { tokens = 0, start = function() started = true end })
    assert.is_true(started)
  end)

  it("passes over who has given up", function()
    local limit, time, started = rate.new { requests = 1, per = 10 }, clock.virtual(), {}
    local waiters = {}
    for i = 1, 3 do
      waiters[i] = { tokens = 0, start = function() started[#started + 1] = i end }
      limit:enter(time, waiters[i])
    end
    limit:leave(time, waiters[2])
    while time:fire() do end
    assert.same({ 1, 3 }, started)
  end)
end)
