-- The five programs of the document that the project implements run as written.

local command = require "spec.support.command"

local SEED = "../shared/seed/orchestration_patterns.md"

local CONFIG = [[
local tasks = 0
local function vote(request)
  if request.prompt:find "^Consider" then return { vote_changed = request.agent_id == "expert_3", new_vote = "approve", new_reasoning = "persuaded" } end
  return { vote = request.agent_id == "expert_3" and "reject" or "approve", reasoning = "because" }
end
return { agents = {
  ["expert_*"] = vote,
  worker = { latency = 2, lua = function() tasks = tasks + 1 return { quality_score = 0.5 + tasks % 7 / 20 } end },
  ["worker_*"] = { latency = 4, lua = function(request) return "done: " .. request.prompt end },
  ["*"] = { latency = 1, lua = function(request) return request.agent_id .. " says " .. #request.prompt end },
} }
]]

local file = io.open(SEED)
local folder

local function run(name)
  return command.run(("'%s#%s' --virtual-time --seed 1 --output json --config %s/orchlua.config.lua"):format(SEED, name, folder), ".")
end

describe("the seed's program", function()
  if not file then
    pending "is not beside this checkout"
    return
  end
  file:close()
  before_each(function() folder = command.folder { ["orchlua.config.lua"] = CONFIG } end)
  after_each(function() command.remove(folder) end)

  it("pipeline", function()
    local r = run "pipeline"
    assert.equal(0, r.status, r.err)
    assert.matches('"result": "aggregator says %d+"', r.out)
    assert.matches('"current_stage": 4', r.out)
  end)

  it("scatter-gather", function()
    local r = run "scatter-gather"
    assert.equal(0, r.status, r.err)
    assert.matches('"gathered_count": 3', r.out)
    assert.matches('"result": "synthesizer says', r.out)
  end)

  it("orchestrator-worker", function()
    local r = run "orchestrator-worker"
    assert.equal(0, r.status, r.err)
    assert.equal(10, select(2, r.out:gsub('"task_id": "seed%-1/%d+"', "")))
    assert.matches('"result": "reporter says', r.out)
  end)

  it("consensus", function()
    local r = run "consensus"
    assert.equal(0, r.status, r.err)
    assert.matches('"final_decision": "approved"', r.out)
    assert.matches('"unanimous": true', r.out)
  end)

  it("self-improving", function()
    local r = run "self-improving"
    assert.equal(0, r.status, r.err)
    assert.matches('"type": "orchestration_improvement"', r.out)
    assert.equal(5, select(2, r.out:match('"performance_history": (%b[])'):gsub('"iteration":', "")))
  end)

  it("each checks without errors", function()
    local r = command.run(("check %s --config %s/orchlua.config.lua"):format(SEED, folder), ".")
    assert.equal(0, r.status, r.out)
  end)
end)
