local functions = require "orchlua.functions"
local use = require "spec.support.call"

local of, call, failure, null = use.of, use.call, use.failure, use.null

-- A run whose generator gives one number.
local function always(number)
  local run = use.run()
  function run.random() return number end
  return run
end

local NEARLY_ONE = 1 - 2 ^ -53

describe("RANDOM", function()
  it("is in [0, 1), or whole between whole numbers, ends included", function()
    local run, seen = use.run(5), {}
    for _ = 1, 500 do
      local x = functions.RANDOM.fn(run)
      assert.is_true(x >= 0 and x < 1)
      local n = functions.RANDOM.fn(run, 1, 3.0)
      assert.equal("integer", math.type(n))
      seen[n] = true
      local between = functions.RANDOM.fn(run, 1, 1.5)
      assert.is_true(between >= 1 and between <= 1.5)
    end
    assert.same({ true, true, true }, seen)
    assert.equal(4, call("RANDOM", 4, 4))
  end)

  it("stays in its bounds at the edges", function()
    for _, number in ipairs { 0, NEARLY_ONE } do
      for _, pair in ipairs { { -3, 3 }, { 0, math.maxinteger - 1 }, { math.mininteger, -2 }, { 0.1, 0.3 }, { -1e308, 1e308 }, { 1, 1e308 } } do
        local n = functions.RANDOM.fn(always(number), pair[1], pair[2])
        assert.is_true(n >= pair[1] and n <= pair[2], ("%s in %s to %s"):format(n, pair[1], pair[2]))
      end
    end
  end)

  it("refuses bounds the wrong way round, and what is no number", function()
    assert.equal("RANDOM from 3 to 1: the first is the greater", failure("RANDOM", 3, 1).message)
    assert.equal("type", failure("RANDOM", 3).type)
    assert.equal("type", failure("RANDOM", null, 3).type)
    assert.equal("arithmetic", failure("RANDOM", math.mininteger, math.maxinteger).type)
  end)
end)

describe("RANDOM_CHOICE and SHUFFLE", function()
  it("choose from lists and objects, and nothing from nothing", function()
    assert.equal(null, call("RANDOM_CHOICE", of "[]"))
    assert.equal(7, call("RANDOM_CHOICE", of "[7]"))
    assert.equal(2, functions.RANDOM_CHOICE.fn(always(NEARLY_ONE), of '{"a": 1, "b": 2}'))
    assert.equal("RANDOM_CHOICE takes an array or an object, and got null", failure("RANDOM_CHOICE", null).message)
  end)

  it("give every order about as often", function()
    local run, counts = use.run(11), {}
    local list = of "[1, 2, 3]"
    for _ = 1, 6000 do
      local order = table.concat(functions.SHUFFLE.fn(run, list))
      counts[order] = (counts[order] or 0) + 1
    end
    local orders = 0
    for _, count in pairs(counts) do
      orders = orders + 1
      assert.is_true(count > 850 and count < 1150)
    end
    assert.equal(6, orders)
    assert.equal("123", table.concat(list))
  end)
end)

describe("GAUSSIAN", function()
  it("has its mean and deviation, and is finite at the edges", function()
    local run, sum, squares = use.run(2), 0, 0
    for _ = 1, 20000 do
      local x = functions.GAUSSIAN.fn(run, 10, 2)
      sum, squares = sum + x, squares + (x - 10) ^ 2
    end
    assert.is_true(math.abs(sum / 20000 - 10) < 0.1)
    assert.is_true(math.abs(squares / 20000 - 4) < 0.2)
    for _, number in ipairs { 0, NEARLY_ONE } do
      local x = functions.GAUSSIAN.fn(always(number))
      assert.is_true(x - x == 0)
    end
    assert.equal("arithmetic", failure("GAUSSIAN", 0, -1).type)
  end)

  it("keeps nothing between calls", function()
    local first = functions.GAUSSIAN.fn(use.run(9))
    functions.GAUSSIAN.fn(use.run(4))
    assert.equal(first, functions.GAUSSIAN.fn(use.run(9)))
  end)
end)

describe("UUID", function()
  it("is of version 4, and another each time", function()
    local run, seen = use.run(), {}
    for _ = 1, 200 do
      local id = functions.UUID.fn(run)
      assert.matches("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$", id)
      assert.is_nil(seen[id])
      seen[id] = true
    end
    assert.equal("ffffffff-ffff-4fff-bfff-ffffffffffff", functions.UUID.fn(always(NEARLY_ONE)))
  end)
end)
