-- The patterns keep their word also with agents that fail, hang, or answer nonsense.

local core = require "orchlua.core"
local run = require "spec.support.run"

local value = core.value

local function good(request) return "<" .. request.prompt .. ">" end
local function bad() error "broken" end
local hanging = { lua = function() return "too late" end, latency = 1000, timeout = 5, retries = 0 }

-- The value that a program returns, with these agents and `good` for the rest.
local function result(text, agents)
  agents["*"] = agents["*"] or good
  return run.result(text, { agents = agents })
end

local function failure(text, agents)
  agents["*"] = agents["*"] or good
  return run.failure(text, { agents = agents })
end

describe("pattern pipeline", function()
  it("gives each stage what the one before it made", function()
    local r = result('EVENT pattern:pipeline {stages: ["a", {name: "b", agent: "other", prompt: "then {input}"}], input: "x"} AS r\nRETURN [r.output, r.results, r.stages[1].agent]', {})
    assert.equal('["<then <Execute a stage: x>>",{"a":"<Execute a stage: x>","b":"<then <Execute a stage: x>>"},"other"]', value.text(r))
  end)

  it("raises a failed stage's error, with the results so far in it", function()
    for kind, agent in pairs { agent = bad, timeout = hanging } do
      local e = result('TRY:\n  EVENT pattern:pipeline {stages: ["a", "b", "c"]} AS r\nCATCH e:\n  RETURN e', { b_agent = agent })
      assert.equal(kind, e.type)
      assert.matches("^stage `b`: ", e.message)
      assert.equal('{"a":"<Execute a stage: >"}', value.text(e.results))
    end
  end)
end)

describe("pattern scatter_gather", function()
  local text = 'EVENT pattern:scatter_gather {items: [1, 2, 3, 4], agents: ["x", "y"], prompt: "do {item}", limit: 2%s} AS r\nRETURN [r.output, r.gathered, r.total, LENGTH(r.failed), r.results[1].agent]'

  it("shares the items out in turns and keeps their order", function()
    assert.equal('[["<do 1>","<do 2>","<do 3>","<do 4>"],4,4,0,"y"]', value.text(result(text:format "", {})))
    assert.equal('["<Create one answer of: [\\"<do 1>\\",\\"<do 2>\\",\\"<do 3>\\",\\"<do 4>\\"]>",4,4,0,"y"]',
      value.text(result(text:format ', synthesizer: "s"', {})))
  end)

  it("keeps the others' work when an agent fails or hangs; below the quorum there is no output", function()
    for _, agent in ipairs { bad, hanging } do
      assert.equal('[null,2,4,2,"y"]', value.text(result(text:format "", { y = agent })))
      assert.equal('[["<do 1>","<do 3>"],2,4,2,"y"]', value.text(result(text:format ", quorum: 0.5", { y = agent })))
    end
  end)
end)

describe("pattern orchestrator_worker", function()
  local text = 'STATE tasks = [{n: 1, p: 1}, {n: 2, p: 3}, {n: 3, p: 2}]\nEVENT pattern:orchestrator_worker {tasks: tasks, workers: [%s], prompt: "do {task.n}", priority: "p"%s} AS r\nRETURN {c: MAP(r.completed, c => [c.task.n, c.worker, c.output]), f: MAP(r.failed, f => [f.task.n, LENGTH(f.errors)])}'

  it("takes the highest priority first", function()
    assert.equal('{"c":[[2,"a","<do 2>"],[3,"a","<do 3>"],[1,"a","<do 1>"]],"f":[]}', value.text(result(text:format('"a"', ""), {})))
  end)

  it("gives a failed task to another worker, never to the same again", function()
    for _, agent in ipairs { bad, hanging } do
      local asked = {}
      local r = result(text:format('"b", "a"', ""), { b = agent, a = function(request)
        asked[#asked + 1] = request.prompt
        return "ok"
      end })
      assert.equal(3, #r.c)
      assert.equal(3, #asked)
      for _, done in ipairs(r.c) do assert.equal("a", done[2]) end
    end
  end)

  it("gives a task up when every worker has failed at it, or retries says so, and tells why", function()
    assert.equal('{"c":[],"f":[[2,2],[3,2],[1,2]]}', value.text(result(text:format('"a", "b"', ""), { a = bad, b = bad })))
    assert.equal('{"c":[],"f":[[2,1],[3,1],[1,1]]}', value.text(result(text:format('"a", "b"', ", retries: 0"), { a = bad, b = bad })))
  end)
end)

describe("pattern consensus", function()
  local text = 'EVENT pattern:consensus {participants: ["a", "b", "c"], proposal: "Go?"%s} AS r\nRETURN [r.decision, r.rounds, r.unanimous, r.votes.c.vote]'
  local function yes() return { vote = "approve", reasoning = "fine" } end
  local function no() return { vote = "reject", reasoning = "not yet" } end

  it("decides by its rule", function()
    assert.equal('["approved",1,true,"approve"]', value.text(result(text:format "", { ["*"] = yes })))
    assert.equal('["rejected",1,true,"reject"]', value.text(result(text:format "", { ["*"] = no })))
    assert.equal('["no_consensus",3,false,"reject"]', value.text(result(text:format "", { ["*"] = yes, c = no })))
    assert.equal('["approved",1,false,"reject"]', value.text(result(text:format ', rule: "majority"', { ["*"] = yes, c = no })))
    assert.equal('["no_consensus",2,false,"reject"]', value.text(result(text:format ", rule: 0.7, max_rounds: 2", { ["*"] = yes, c = no })))
  end)

  it("lets participants change their minds when they see the others' reasons", function()
    local r = result(text:format "", { ["*"] = yes, c = function(request)
      if request.prompt:find "others" and request.prompt:find "fine" then return { vote_changed = true, new_vote = "approve", new_reasoning = "convinced" } end
      return no()
    end })
    assert.equal('["approved",1,true,"approve"]', value.text(r))
  end)

  it("counts who fails, hangs or speaks nonsense as abstaining", function()
    for _, agent in ipairs { bad, hanging, good } do
      assert.equal('["approved",1,false,"abstain"]', value.text(result(text:format ', rule: "majority"', { ["*"] = yes, c = agent })))
    end
  end)
end)

describe("pattern self_improving", function()
  local text = 'EVENT pattern:self_improving {tasks: [1, 2], agent: "w", strategies: {s: {x: %d}}, iterations: 14} AS r\nRETURN r'

  it("really improves: with a known best setting its last iterations beat its first, for many seeds", function()
    for seed = 1, 25 do
      local start = 1 + seed % 9
      local best = 3 + seed % 17
      local r = run.run(text:format(start), { seed = seed, agents = { w = function(request)
        return { quality_score = 100 - (request.data.params.x - best) ^ 2 }
      end } }).result
      local history = r.history
      local first, last = history[1].score, (history[13].score + history[14].score) / 2
      if start ~= best then assert.is_true(last > first, ("seed %d: %g, then %g"):format(seed, first, last)) end
      assert.is_true(r.best.score >= 99, ("seed %d: the best is %g at %g"):format(seed, r.best.score, r.best.params.x))
      assert.equal(14, #history)
      assert.equal(r.best.score - first, r.improvement)
    end
  end)

  it("changes the strategy when the one in use fails, and reports what it tried", function()
    local r = result('EVENT pattern:self_improving {tasks: [1], agent: "w", strategies: {first: {x: 1}, second: {x: 2}}, iterations: 4} AS r\nRETURN [r.best.strategy, r.worst.score, MAP(r.history, h => h.strategy)]', {
      w = function(request)
        if request.data.strategy == "first" then error "never" end
        return { quality_score = 5 }
      end })
    assert.equal('["second",0,["first","second","second","second"]]', value.text(r))
  end)
end)

describe("the last agent of a pattern", function()
  it("may fail or hang, and the others' work is kept", function()
    for kind, agent in pairs { agent = bad, timeout = hanging } do
      assert.equal(('[null,2,"%s"]'):format(kind), value.text(result(
        'EVENT pattern:scatter_gather {items: [1, 2], agents: ["a"], synthesizer: "last"} AS r\nRETURN [r.output, r.gathered, r.synthesizer_error.type]', { last = agent })))
      assert.equal(('[null,2,"%s"]'):format(kind), value.text(result(
        'EVENT pattern:orchestrator_worker {tasks: [1, 2], workers: ["a"], reporter: "last"} AS r\nRETURN [r.output, LENGTH(r.completed), r.reporter_error.type]', { last = agent })))
      assert.equal(('["%s",{"a":"<Execute a stage: >"}]'):format(kind), value.text(result(
        'TRY:\n  EVENT pattern:pipeline {stages: ["a"], aggregator: "last"} AS r\nCATCH e:\n  RETURN [e.type, e.results]', { last = agent })))
    end
  end)
end)

describe("patterns routing, handoff and group_chat", function()
  it("route, hand on, and talk", function()
    assert.equal('["b","<t>"]', value.text(result('EVENT pattern:routing {router: "r", routes: {a: "x", b: "y"}, task: "t"} AS r\nRETURN [r.agent, r.output]', { r = function() return "b it is" end })))
    assert.equal('["a","<t>"]', value.text(result('EVENT pattern:routing {router: "r", routes: {a: "x"}, task: "t", fallback: "a"} AS r\nRETURN [r.agent, r.output]', { r = bad })))
    assert.matches("chose none of the routes: who knows", failure('EVENT pattern:routing {router: "r", routes: {a: "x"}, task: "t"} AS r', { r = function() return "who knows" end }).message)
    assert.equal('["done by b",["a","b"]]', value.text(result('EVENT pattern:handoff {task: "t", agents: ["a", "b"]} AS r\nRETURN [r.output, r.path]', {
      a = function() return { handoff = "b", note = "hard" } end, b = function() return "done by b" end })))
    assert.matches("handed on more than 2 times", failure('EVENT pattern:handoff {task: "t", agents: ["a", "b"], max_handoffs: 2} AS r', {
      a = function() return { handoff = "b" } end, b = function() return { handoff = "a" } end }).message)
    assert.equal('[true,"DONE now",["a","b","b"]]', value.text(result('EVENT pattern:group_chat {topic: "t", participants: ["a", "b"], moderator: "m", max_turns: 9} AS r\nRETURN [r.ended, r.output, MAP(r.messages, m => m.speaker)]', {
      m = function(request) return request.prompt:find '"speaker":"a"' and "b" or "a" end,
      a = function() return "hello" end, b = function(request) return request.prompt:find '"speaker":"b"' and "DONE now" or "hm" end })))
  end)
end)

describe("patterns", function()
  it("refuse wrong, missing and unknown parameters before any agent is asked, by name", function()
    local asked = 0
    local agents = { ["*"] = function() asked = asked + 1 end }
    assert.equal("pattern pipeline: the parameter `stages` is missing: it takes array", failure("EVENT pattern:pipeline {} AS r", agents).message)
    assert.equal("pattern pipeline: `stages` takes array, and got 5", failure("EVENT pattern:pipeline {stages: 5} AS r", agents).message)
    assert.equal("pattern pipeline: it has no parameter `stagez`", failure('EVENT pattern:pipeline {stages: ["a"], stagez: 1} AS r', agents).message)
    assert.equal("pattern consensus: `max_rounds` takes integer, and got 1.5", failure('EVENT pattern:consensus {participants: ["a"], proposal: "p", max_rounds: 1.5} AS r', agents).message)
    local unknown = failure("EVENT pattern:pipelin {} AS r", agents)
    assert.equal("there is no pattern `pipelin`", unknown.message)
    assert.equal("did you mean `pipeline`?", unknown.hint)
    assert.equal(0, asked)
  end)

  it("are told what to call instead of what agents call", function()
    local orchlua = require "orchlua"
    local function refused(fn)
      return run.failure("EVENT pattern:mine {} AS r", { config = { patterns = { mine = { run = fn } } } }).message
    end
    assert.matches("orchlua.ask is for agents and event handlers; a pattern asks with flow:ask", refused(function() orchlua.ask("a", "x") end), 1, true)
    assert.matches("orchlua.sleep is for agents and event handlers; a pattern waits with flow:wait", refused(function() orchlua.sleep(1) end), 1, true)
    assert.matches("orchlua.exec is for agents and event handlers$", refused(function() orchlua.exec { "true" } end))
  end)

  it("that declare a parameter of no kind say so themselves", function()
    local function refused(declared)
      local pattern = { params = { n = declared }, run = function() return 1 end }
      return run.failure("EVENT pattern:mine {n: 5} AS r", { config = { patterns = { mine = pattern } } })
    end
    local wrong = refused "integr"
    assert.equal("the pattern `mine` declares its parameter `n` as `integr`, which is no kind of value", wrong.message)
    assert.equal("did you mean `integer`?", wrong.hint)
    assert.matches("`lot`", refused { "array|lot", optional = true }.message, 1, true)
    assert.matches("`5`", refused(5).message, 1, true)
    assert.matches("pattern mine: `n` takes string or boolean, and got 5", refused { "string|boolean" }.message, 1, true)
  end)

  it("combine: one inside another, and under PARALLEL; without AS their answer is a message", function()
    local nested = { params = { list = "array" }, run = function(flow, p)
      local patterns = require "orchlua.patterns"
      local inner = patterns.scatter_gather(flow, { items = p.list, agents = { "a" } })
      local again = flow:event("pattern:pipeline", { stages = { "x" }, input = inner.output[1] })
      return { output = again.output, n = inner.gathered }
    end }
    local config = { agents = { ["*"] = good }, patterns = { nested = nested } }
    assert.equal('["<Execute x stage: <1>>",2]', value.text(run.result("EVENT pattern:nested {list: [1, 2]} AS r\nRETURN [r.output, r.n]", { config = config })))
    assert.equal("[2,2,2]", value.text(run.result(
      "STATE l = []\nPARALLEL:\n  FOREACH i IN [1, 2, 3]:\n    EVENT pattern:nested {list: [i, i]} AS r\n    APPEND l r.n\nRETURN l", { config = config })))
    assert.equal('["pattern:nested",1]', value.text(run.result("EVENT pattern:nested {list: [7]}\nAWAIT m\nRETURN [m.agent_id, m.n]", { config = config })))
  end)

  it("fail in sequence, and are data side by side, as agents do", function()
    local config = { agents = { ["*"] = good }, patterns = { broken = { params = {}, run = function() error { type = "sad", message = "no", why = "because" } end } } }
    local err = run.failure("EVENT pattern:broken {} AS r", { config = config })
    assert.equal("sad", err.type)
    assert.equal("no", err.message)
    assert.equal('[false,"sad"]', value.text(run.result("PARALLEL:\n  BRANCH: EVENT pattern:broken {} AS r\nRETURN [r.success, r.error.type]", { config = config })))
    assert.equal("because", run.result("TRY:\n  EVENT pattern:broken {} AS r\nCATCH e:\n  RETURN e.why", { config = config }))
  end)

  it("are under the policy, and end with a cancel", function()
    local config = { agents = { ["*"] = good }, policy = { events = { "agent:*" } } }
    assert.matches("the event `pattern:pipeline` is not allowed", run.failure('EVENT pattern:pipeline {stages: ["a"]} AS r', { config = config }).message)
    local stopped = run.run('PARALLEL:\n  BRANCH: EVENT pattern:scatter_gather {items: [1, 2], agents: ["slow"]} AS r\n  BRANCH:\n    WAIT 1\n    RETURN "early"', {
      agents = { slow = { lua = good, latency = 100 } } })
    assert.equal("early", stopped.result)
  end)

  it("go on no further when their branch is cancelled, also inside a TRY, and leave nothing open", function()
    local library = function(seen)
      return { name = "p", description = "p", params = {}, run = function(flow)
        local _ <close> = setmetatable({}, { __close = function() seen[#seen + 1] = "closed" end })
        flow:parallel({ 1 }, function()
          local _ <close> = setmetatable({}, { __close = function() seen[#seen + 1] = "closed inside" end })
          flow:wait(100)
          seen[#seen + 1] = "went on"
        end)
        seen[#seen + 1] = "went on"
        return "end"
      end }
    end
    local text = 'PARALLEL:\n  BRANCH:\n    TRY:\n      EVENT pattern:p {} AS r\n    FINALLY:\n      TRACK {done: true}\n  BRANCH:\n    WAIT 1\n    RETURN "left"'
    local seen = {}
    assert.equal("left", run.result(text, { config = { patterns = { p = library(seen) } } }))
    assert.same({ "closed inside", "closed" }, seen)
  end)

  it("close what they hold when they fail, and when their run is let go", function()
    local seen = {}
    local function library(go_on)
      return { name = "p", description = "p", params = {}, run = function(flow)
        local _ <close> = setmetatable({}, { __close = function() seen[#seen + 1] = "closed" end })
        go_on(flow)
      end }
    end
    run.failure("EVENT pattern:p {} AS r\nRETURN r", { config = { patterns = { p = library(function() error "broken" end) } } })
    assert.same({ "closed" }, seen)
    local _, runtime = run.start("EVENT pattern:p {} AS r\nRETURN r", { real_time = true, config = { patterns = { p = library(function(flow) flow:wait(100) end) } } })
    runtime:turn()
    runtime:close()
    assert.same({ "closed", "closed" }, seen)
  end)

  it("say what is stuck when nothing can wake them", function()
    local config = { agents = { ["*"] = good }, patterns = { waiting = { params = {}, run = function(flow) flow:await() end } } }
    assert.equal("stuck", run.failure("EVENT pattern:waiting {} AS r", { config = config }).type)
  end)
end)
