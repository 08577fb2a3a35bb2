-- Finding the agent that an id means.

local config = require "orchlua.config"
local agents = require "orchlua.agents"
local core = require "orchlua.core"

local function nothing() return "x" end

local loop
setup(function() loop = core.loop.new() end)
teardown(function() loop:close() end)

local function new(given)
  return agents.new(assert(config.check(given, ".")), loop)
end

describe("the agents of a configuration", function()
  it("are found by name, with what the runtime needs to know of them", function()
    local registry = new { agents = { critic = { lua = nothing, latency = 3, timeout = 5, retries = 1 }, cleaner = { exec = { "true" } } } }
    local critic = assert(registry:find "critic")
    assert.same({
      name = "critic", kind = "lua", call = critic.call, in_process = true, plain = false, timeout = 5, retries = 1, retries_given = true,
      concurrency = 64, latency = 3
    }, critic)
    assert.equal("x", critic.call {})
    local cleaner = assert(registry:find "cleaner")
    assert.is_false(cleaner.in_process)
    assert.is_false(cleaner.plain)
    assert.is_false(cleaner.retries_given)
    assert.equal("exec", cleaner.kind)
  end)

  it("are one agent for all ids that one entry takes", function()
    local registry = new { agents = { ["worker_*"] = nothing, worker_9 = nothing } }
    assert.equal(registry:find "worker_1", registry:find "worker_2")
    assert.equal("worker_*", registry:find("worker_1").name)
    assert.equal("worker_9", registry:find("worker_9").name)
  end)

  it("are refused by name when there is none, with the nearest as a hint", function()
    local agent, problem = new { agents = { reviewer = nothing, ["worker_*"] = nothing } }:find "reviewr"
    assert.is_nil(agent)
    assert.equal("agent", problem.type)
    assert.equal("no agent `reviewr` in the configuration", problem.message)
    assert.equal("did you mean `reviewer`?", problem.hint)
    assert.equal("reviewr", problem.agent_id)
    problem = select(2, new { agents = { reviewer = nothing } }:find "zzz")
    assert.is_nil(problem.hint)
    problem = select(2, new({}):find "zzz")
    assert.equal("the configuration has no agents", problem.hint)
  end)

  it("may be looked up by any text", function()
    local registry = new { agents = { a = nothing, ["b*"] = nothing } }
    for _, id in ipairs { "", "%", "[", "(%w+", "\0", "*", ("x"):rep(1000000), "b\n" } do registry:find(id) end
    assert.is_nil((registry:find ""))
    assert.truthy(registry:find "b%w")
  end)
end)

describe("the handlers of events", function()
  it("are found as agents are", function()
    local handler = new({ events = { ["ops:*"] = { http = "http://127.0.0.1:1/" }, ["evaluation:run"] = nothing } })
    assert.equal("http", handler:handler("ops:restart").kind)
    assert.equal("x", handler:handler("evaluation:run").call())
    assert.is_nil(handler:handler "else:where")
  end)

  it("may be an agent", function()
    local handler = new({ agents = { ["*"] = nothing }, events = { ["ask:it"] = { agent = "critic", timeout = 3 } } }):handler "ask:it"
    assert.equal("agent", handler.kind)
    assert.equal("critic", handler.agent)
    assert.equal(3, handler.timeout)
    assert.is_nil(handler.call)
  end)
end)
