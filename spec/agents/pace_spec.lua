local pace = require "orchlua.agents.pace"

describe("the pace of calls", function()
  local deferred, begun, made

  local function turn()
    local list = deferred
    deferred = {}
    for _, callback in ipairs(list) do callback() end
  end

  local function enter(count)
    for i = 1, count do
      local call = { ended = false, attempt = 1, number = i }
      made[#made + 1] = call
      begun.pace:enter(call, function(started) begun[#begun + 1] = started.number end)
    end
  end

  before_each(function()
    deferred, made = {}, {}
    begun = { pace = pace.new { defer = function(_, callback) deferred[#deferred + 1] = callback end } }
  end)

  it("lets a few begin at once, the others in later turns, in order", function()
    enter(160)
    assert.equal(64, #begun)
    turn()
    assert.equal(128, #begun)
    enter(1)
    turn()
    assert.equal(161, #begun)
    turn()
    assert.same({}, deferred)
    for i = 1, 160 do assert.equal(i, begun[i]) end
    enter(1)
    assert.equal(162, #begun)
  end)

  it("leaves out what has ended, or makes another try by then", function()
    enter(68)
    made[65].ended, made[66].attempt = true, 2
    turn()
    assert.same({ 67, 68 }, { begun[65], begun[66] })
    assert.equal(66, #begun)
  end)
end)
