-- Every example runs with the real command, does its work, and checks clean.

local command = require "spec.support.command"

local function run(name)
  return command.run(("examples/%s/%s.dsl --quiet"):format(name, name), ".")
end

describe("the example", function()
  it("pipeline adds up the clean rows of its CSV file", function()
    local r = run "pipeline"
    assert.equal(0, r.status, r.err)
    local rows, revenue, seen = 0, 0, {}
    for line in io.lines "examples/pipeline/data/sales.csv" do
      local date, region, _, units, price = line:match "^(%d+%-%d+%-%d+),([^,]*),([^,]*),(%d+),([%d.]+)$"
      local key = line:gsub("%s+,", ",")
      if date and region and not seen[key] then
        rows, revenue = rows + 1, revenue + units * price
        seen[key] = true
      end
    end
    assert.matches(("Sales report: %d rows, revenue %.2f"):format(rows, revenue), r.out, 1, true)
  end)

  it("scatter_gather reads all five documents", function()
    local r = run "scatter_gather"
    assert.equal(0, r.status, r.err)
    for _, name in ipairs { "bees", "bread", "bridges", "harbour", "tides" } do assert.matches(name .. "%.txt +%d+ words", r.out) end
  end)

  it("orchestrator_worker compiles what compiles, and says why the rest does not", function()
    local r = run "orchestrator_worker"
    assert.equal(0, r.status, r.err)
    assert.matches("Compiled 4 of 5 files", r.out)
    assert.matches("wrong%.c: .*error: .*undeclared", r.out)
  end)

  it("consensus ends with the true number of primes", function()
    local r = run "consensus"
    assert.equal(0, r.status, r.err)
    assert.matches("All agree: 1229 primes below 10000, after 2 rounds", r.out)
  end)

  it("self_improving ends better than it began", function()
    local r = run "self_improving"
    assert.equal(0, r.status, r.err)
    local steps = {}
    for n in r.out:gmatch "(%d+) steps" do steps[#steps + 1] = tonumber(n) end
    assert.equal(8, #steps)
    assert.is_true(steps[8] < steps[1] and steps[7] < steps[1])
  end)

  it("combined reviews the C files of the core", function()
    local r = run "combined"
    assert.equal(0, r.status, r.err)
    assert.matches("json%.c +%d+", r.out)
    assert.matches("The longest function is", r.out)
  end)

  it("of each pattern has no errors and no warnings", function()
    for _, name in ipairs { "pipeline", "scatter_gather", "orchestrator_worker", "consensus", "self_improving", "combined" } do
      local r = command.run(("check examples/%s/%s.dsl"):format(name, name), ".")
      assert.equal("0 errors, 0 warnings\n", r.out)
    end
  end)
end)
