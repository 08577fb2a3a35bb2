local functions = require "orchlua.functions"
local use = require "spec.support.call"

local call, failure = use.call, use.failure

describe("functions of the run", function()
  it("tell its time from its own clock", function()
    local run = use.run()
    assert.equal(1000.25, functions.TIMESTAMP.fn(run))
    assert.equal(10.25, functions.ELAPSED.fn(run))
    assert.equal(0.25, functions.ELAPSED.fn(run, 1000))
    assert.equal("type", failure("ELAPSED", "1").type)
  end)

  it("write the time as ISO 8601", function()
    local run = use.run()
    for time, expected in pairs {
      [0] = "1970-01-01T00:00:00.000Z", [946684800] = "2000-01-01T00:00:00.000Z", [1700000000.001] = "2023-11-14T22:13:20.001Z",
      [1700000000.9996] = "2023-11-14T22:13:20.999Z", [951782399.5] = "2000-02-28T23:59:59.500Z", [1.002] = "1970-01-01T00:00:01.002Z",
    } do
      run.time = time
      assert.equal(expected, functions.NOW.fn(run))
    end
  end)

  it("give its id and a copy of its inputs", function()
    local run = use.run()
    assert.equal("run-1", functions.RUN_ID.fn(run))
    local inputs = functions.INPUTS.fn(run)
    inputs.topic = "wasps"
    assert.equal("bees", functions.INPUTS.fn(run).topic)
  end)
end)

describe("GENERATE_TASKS", function()
  it("gives task objects, varied and the same for the same seed", function()
    local tasks, types, priorities = call("GENERATE_TASKS", 200), {}, {}
    assert.equal(200, #tasks)
    for i, task in ipairs(tasks) do
      assert.equal("id type priority description", table.concat(task, " "))
      assert.equal("task_" .. i, task.id)
      assert.matches(tostring(i), task.description)
      types[task.type], priorities[task.priority] = true, true
    end
    assert.same({ true, true, true, true, true }, priorities)
    assert.is_true(types.analysis and types.synthesis)
    assert.equal(use.text("GENERATE_TASKS", 20), use.text("GENERATE_TASKS", 20))
    assert.not_equal(use.text("GENERATE_TASKS", 20), require("orchlua.core").json.encode(functions.GENERATE_TASKS.fn(use.run(2), 20)))
  end)

  it("gives none for 0, and wants a whole number", function()
    assert.equal(0, #call("GENERATE_TASKS", 0))
    assert.equal(0, #call("GENERATE_TASKS", -1))
    assert.equal(3, #call("GENERATE_TASKS", 3.0))
    assert.equal("type", failure("GENERATE_TASKS", 1.5).type)
    assert.equal("limit", failure("GENERATE_TASKS", 1 << 40).type)
  end)
end)
