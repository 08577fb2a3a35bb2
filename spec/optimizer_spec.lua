local core = require "orchlua.core"
local optimizer = require "orchlua.optimizer"
local random = require "orchlua.random"
local use = require "spec.support.call"

local value = core.value
local of, null = use.of, use.null

local function object(keys, fields)
  for i, key in ipairs(keys) do fields[i] = key end
  return value.object(fields)
end

local function entry(params, score, names)
  local copy = {}
  for _, name in ipairs(names) do copy[name] = params[name] end
  return object({ "strategy", "params", "score" }, { strategy = "s", params = object(names, copy), score = score })
end

local function propose(entries)
  return optimizer.propose(object({ "current_performance" }, { current_performance = entries }))
end

-- Measures what is proposed, so many times; gives the last parameters and the best score.
local function optimize(measure, names, starts, rounds)
  local entries, best = value.array {}, -math.huge
  local function add(params)
    local score = measure(params)
    entries[#entries + 1] = entry(params, score, names)
    best = math.max(best, score)
  end
  for _, start in ipairs(starts) do add(start) end
  local answer
  for _ = 1, rounds do
    answer = propose(entries)
    assert.is_true(answer.success, answer.reasoning)
    add(answer.optimized_params)
  end
  return answer.optimized_params, best, entries
end

local function generator(seed)
  local state = seed
  return function(low, high)
    local number
    number, state = random.next(state)
    return low + number * (high - low)
  end
end

describe("optimization", function()
  it("finds the top of a parabola from any two starts", function()
    for seed = 1, 100 do
      local pick = generator(seed)
      local top, steep = pick(1, 100), pick(0.01, 10)
      local params = optimize(function(p) return 5 - steep * (p.x - top) ^ 2 end, { "x" }, { { x = pick(0, 100) }, { x = pick(0, 100) } }, 12)
      assert.is_true(math.abs(params.x - top) < 0.01, ("seed %d: %s, not %s"):format(seed, params.x, top))
    end
  end)

  it("finds the top of a quadratic of two numbers, tilted or not, at any scale", function()
    for seed = 1, 60 do
      local pick = generator(seed)
      local scale = 10 ^ math.floor(pick(-2, 4))
      local x, y, tilt = pick(1, 20) * scale, pick(1, 20), pick(-1.2, 1.2)
      local function measure(p)
        local u, v = (p.x - x) / scale, p.y - y
        return 3 - u * u - v * v - tilt * u * v
      end
      local starts = {}
      for i = 1, 2 do starts[i] = { x = pick(0, 20) * scale, y = pick(0, 20) } end
      local _, best = optimize(measure, { "x", "y" }, starts, 20)
      assert.is_true(best > 2.9, ("seed %d: %s"):format(seed, best))
    end
  end)

  it("does better, round by round, on other functions with one top", function()
    local shapes = {
      function(d) return -math.abs(d) end, function(d) return math.exp(-d * d / 900) end, function(d) return -(d / 10) ^ 4 end,
    }
    for seed = 1, 30 do
      for _, shape in ipairs(shapes) do
        local pick = generator(seed)
        local top, a, b = pick(5, 95), pick(1, 100), pick(1, 100)
        local function measure(p) return shape(p.x - top) end
        local _, best, entries = optimize(measure, { "x" }, { { x = a }, { x = b } }, 15)
        assert.is_true(best > math.max(entries[1].score, entries[2].score), ("seed %d"):format(seed))
        assert.is_true(best >= shape(7), ("seed %d: %s"):format(seed, best))
      end
    end
  end)

  it("keeps whole numbers whole, and finds the best of them", function()
    for seed = 1, 40 do
      local pick = generator(seed)
      local x, y = pick(1, 20), pick(1, 20)
      local starts = { { x = math.floor(pick(1, 20)), y = math.floor(pick(1, 10)) }, { x = math.floor(pick(1, 20)), y = math.floor(pick(10, 20)) } }
      local _, best = optimize(function(p)
        assert.equal("integer", math.type(p.x))
        assert.equal("integer", math.type(p.y))
        return -(p.x - x) ^ 2 - (p.y - y) ^ 2
      end, { "x", "y" }, starts, 25)
      local most = -(math.floor(x + 0.5) - x) ^ 2 - (math.floor(y + 0.5) - y) ^ 2
      assert.is_true(best > most - 0.5, ("seed %d: %s of %s"):format(seed, best, most))
    end
  end)

  it("never makes a positive number 0 or negative", function()
    local params = optimize(function(p)
      assert.is_true(p.timeout > 0)
      return -p.timeout
    end, { "timeout" }, { { timeout = 5 }, { timeout = 30 } }, 12)
    assert.equal(1, params.timeout)
  end)

  it("leaves what is no number as the best entry has it", function()
    local answer = propose(of [=[ [
      {"strategy": "a", "params": {"n": 1, "mode": "fast"}, "score": 9},
      {"strategy": "b", "params": {"n": 2, "mode": "slow", "limit": null}, "composite_score": 1, "score": 9},
      {"strategy": "b", "params": {"n": 4, "mode": "slow", "limit": null}, "composite_score": 2, "score": 1}
    ] ]=])
    assert.is_true(answer.success)
    assert.equal('{"n":5,"mode":"slow","limit":null}', core.json.encode(answer.optimized_params))
    assert.equal(2, answer.expected_score)
    assert.matches("n from 4 to 5, from 2 different sets of parameters; the best so far scored 2", answer.reasoning, 1, true)
  end)

  it("says why there is nothing to propose", function()
    for given, words in pairs {
      ["[]"] = "nothing to learn from", ["null"] = "nothing to learn from", ['{"a": 1}'] = "nothing to learn from",
      ["[1]"] = "no entry of the strategy in use has `params`",
      ['[{"strategy": "a", "score": 1}, {"strategy": "a", "score": 2}]'] = "no entry of the strategy in use has `params`",
      ['[{"params": {"x": 1}, "score": 1}]'] = "two different ones are the least",
      ['[{"params": {"x": 1}, "score": 1}, {"params": {"x": 1.0}, "score": 2}]'] = "two different ones are the least",
      ['[{"params": {"x": 1}, "score": 1}, {"strategy": "b", "params": {"x": 2}, "score": 2}]'] = "two different ones are the least",
      ['[{"params": {"x": 1}}, {"params": {"x": 2}, "score": "2"}]'] = "a score that is a number",
      ['[{"params": {"x": "1"}, "score": 1}, {"params": {"x": "2"}, "score": 2}]'] = "hold no number to tune",
    } do
      local answer = propose(of(given))
      assert.equal("success optimized_params expected_score reasoning", table.concat(answer, " "))
      assert.is_false(answer.success, given)
      assert.equal(null, answer.optimized_params)
      assert.matches(words, answer.reasoning, 1, true)
    end
    assert.is_false(optimizer.propose(of "{}").success)
  end)

  it("changes no entry, and answers the same for the same data", function()
    local data = of '{"current_performance": [{"params": {"x": 1, "y": 2}, "score": 1}, {"params": {"x": 3, "y": 1}, "score": 2}]}'
    local before = core.json.encode(data)
    local answer = core.json.encode(optimizer.propose(data))
    assert.equal(answer, core.json.encode(optimizer.propose(data)))
    optimizer.propose(data).optimized_params.x = 99
    assert.equal(before, core.json.encode(data))
  end)

  it("is never infinite, whatever was measured", function()
    local numbers = { 0, 1, -1, 1e308, -1e308, 5e-324, math.maxinteger, math.mininteger, 0.1, 1e-300, 3 }
    for seed = 1, 400 do
      local pick = generator(seed)
      local function any() return numbers[math.floor(pick(1, #numbers + 1))] end
      local entries = value.array {}
      for i = 1, math.floor(pick(2, 14)) do entries[i] = entry({ x = any(), y = any() }, any(), { "x", "y" }) end
      local answer = propose(entries)
      if answer.success then
        assert.is_string(core.json.encode(answer))
        for _, n in ipairs { answer.optimized_params.x, answer.optimized_params.y, answer.expected_score } do
          assert.equal(0, n - n, "seed " .. seed)
        end
      end
    end
  end)
end)
