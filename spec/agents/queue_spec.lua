-- The admission queue of an agent: its limit, its order, its fairness.

local queue = require "orchlua.agents.queue"

local function request(run_id, number) return { run_id = run_id, number = number } end

-- Notes the order in which requests start.
local function recorder()
  local started = {}
  return started, function(one) started[#started + 1] = one.run_id .. one.number end
end

local function fill(line, run_id, count, start)
  local list = {}
  for number = 1, count do
    list[number] = request(run_id, number)
    line:enter(list[number], start)
  end
  return list
end

describe("an agent's queue", function()
  it("starts a request at once while there is room", function()
    local line = queue.new(2)
    local started, start = recorder()
    fill(line, "a", 2, start)
    assert.same({ "a1", "a2" }, started)
    assert.equal(2, line.active)
    assert.equal(0, line.waiting)
  end)

  it("never lets more than its limit in, and goes on in order as places come free", function()
    local line = queue.new(2)
    local started, start = recorder()
    local list = fill(line, "a", 5, start)
    assert.same({ "a1", "a2" }, started)
    line:leave(list[2])
    assert.same({ "a1", "a2", "a3" }, started)
    line:leave(list[1])
    line:leave(list[3])
    assert.same({ "a1", "a2", "a3", "a4", "a5" }, started)
    line:leave(list[4])
    line:leave(list[5])
    assert.equal(0, line.active)
  end)

  it("does not let a run with 10,000 requests keep another's one waiting", function()
    local line = queue.new(1)
    local started, start = recorder()
    local list = fill(line, "a", 10000, start)
    fill(line, "b", 1, start)
    line:leave(list[1])
    line:leave(list[2])
    assert.same({ "a1", "a2", "b1" }, started)
  end)

  it("takes turns between runs, and keeps each run's order", function()
    local line = queue.new(1)
    local started, start = recorder()
    local current
    local function go(one) current = one start(one) end
    fill(line, "a", 4, go)
    fill(line, "b", 2, go)
    fill(line, "c", 3, go)
    while line.active > 0 do line:leave(current) end
    assert.same({ "a1", "a2", "b1", "c1", "a3", "b2", "c2", "a4", "c3" }, started)
  end)

  it("gives a run that comes back a turn behind those that wait", function()
    local line = queue.new(1)
    local started, start = recorder()
    local current
    local function go(one) current = one start(one) end
    fill(line, "a", 2, go)
    fill(line, "b", 2, go)
    line:leave(current) -- a2 starts, a's line is empty
    line:enter(request("a", 3), go)
    while line.active > 0 do line:leave(current) end
    assert.same({ "a1", "a2", "b1", "a3", "b2" }, started)
  end)

  it("forgets a request that was removed while it waited", function()
    local line = queue.new(1)
    local started, start = recorder()
    local list = fill(line, "a", 4, start)
    assert.is_true(line:remove(list[3]))
    assert.is_true(line:remove(list[2]))
    assert.is_false(line:remove(list[2]))
    assert.equal(1, line.waiting)
    line:leave(list[1])
    assert.same({ "a1", "a4" }, started)
    assert.is_false(line:remove(list[4]))
  end)

  it("keeps the turns right when a run's only request is removed", function()
    local line = queue.new(1)
    local started, start = recorder()
    local first = fill(line, "a", 1, start)[1]
    local gone = fill(line, "b", 1, start)[1]
    fill(line, "c", 1, start)
    line:remove(gone)
    line:leave(first)
    assert.same({ "a1", "c1" }, started)
    assert.equal(0, line.waiting)
  end)

  it("lets a request from inside the agent's own call in without a place", function()
    local line = queue.new(1, "critic")
    local started, start = recorder()
    local outer, inner = request("a", 1), request("a", 2)
    line:enter(outer, start)
    line:enter(inner, start, { critic = true })
    assert.same({ "a1", "a2" }, started)
    assert.equal(1, line.active)
    local waits = request("a", 3)
    line:enter(waits, start, { another = true })
    line:leave(inner)
    assert.equal(2, #started) -- a guest's leaving frees no place
    line:leave(outer)
    assert.same({ "a1", "a2", "a3" }, started)
  end)

  it("stays flat when requests end inside their own start", function()
    local line = queue.new(1)
    local count = 0
    local holder = request("a", 0)
    line:enter(holder, function() end)
    for number = 1, 100000 do
      line:enter(request("a", number), function(one)
        count = count + 1
        line:leave(one)
      end)
    end
    line:leave(holder)
    assert.equal(100000, count)
    assert.equal(0, line.active)
  end)

  it("takes requests that a start sends into the same queue", function()
    local line = queue.new(1)
    local order = {}
    local function finish(one)
      order[#order + 1] = one.run_id .. one.number
      if one.number < 5 then line:enter(request("a", one.number + 1), finish) end
      line:leave(one)
    end
    line:enter(request("a", 1), finish)
    assert.same({ "a1", "a2", "a3", "a4", "a5" }, order)
    assert.equal(0, line.active)
  end)

  it("survives a start that raises", function()
    local line = queue.new(1)
    local started, start = recorder()
    local first, bad, last = request("a", 1), request("a", 2), request("a", 3)
    line:enter(first, start)
    line:enter(bad, function() error("no", 0) end)
    line:enter(last, start)
    assert.has_error(function() line:leave(first) end, "no")
    line:leave(bad)
    assert.same({ "a1", "a3" }, started)
  end)

  it("refuses a request that is in it already", function()
    local line = queue.new(1)
    local one, two = request("a", 1), request("a", 2)
    line:enter(one, function() end)
    line:enter(two, function() end)
    assert.has_error(function() line:enter(one, function() end) end)
    assert.has_error(function() line:enter(two, function() end) end)
  end)

  it("lets a request leave from wherever it is, once", function()
    local line = queue.new(1)
    local started, start = recorder()
    local list = fill(line, "a", 3, start)
    assert.is_true(line:leave(list[2]))
    assert.is_false(line:leave(list[2]))
    assert.equal(1, line.active)
    assert.is_true(line:leave(list[1]))
    assert.is_false(line:leave(list[1]))
    assert.same({ "a1", "a3" }, started)
    assert.equal(1, line.active)
  end)

  it("holds on to nothing once everyone has left", function()
    local line = queue.new(1)
    local list = fill(line, "a", 3, function() end)
    for _, one in ipairs(list) do line:leave(one) end
    for _, one in ipairs(fill(line, "b", 2, function() end)) do
      if not line:remove(one) then line:leave(one) end
    end
    for _, field in ipairs { "line_of", "entry_of" } do assert.is_nil(next(line[field])) end
    assert.equal(0, line.waiting)
  end)
end)
