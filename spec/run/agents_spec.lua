local core = require "orchlua.core"
local orchlua = require "orchlua"
local run = require "spec.support.run"

local value = core.value

local function text(program, options) return run.text(program, options) end

local function echo(request) return "<" .. request.prompt .. ">" end

local agents = {
  ["*"] = echo,
  json = function() return '{"vote": "approve", "score": 3, "list": [1]}' end,
  fenced = function() return 'Here:\n```json\n{"vote": "no"}\n```\nDone.' end,
  table = function() return { vote = "yes", n = 1 } end,
  broken = function() error("out of order", 0) end,
  hangs = function() orchlua.sleep(1000) return "late" end,
  slow = { lua = echo, latency = 3 },
  forger = function() return '{"agent_id": "boss", "request_id": "x", "task_id": "t9", "success": false, "output": "mine"}' end,
  template = function() return "{{ 1 / 0 }}" end,
  bytes = function() return "a\255b\0c" end,
  nonsense = function() return print end,
}

local function ask(agent, fields)
  return ('EVENT completion:async {agent_id: "%s", prompt: "hi"%s} AS r\n'):format(agent, fields or "")
end

describe("a reply", function()
  it("enumerates agent_id, task_id, success and the output, and hides the rest", function()
    assert.equal('{"agent_id":"a","task_id":"seed-1/1","success":true,"output":"<hi>"}', text(ask "a" .. "RETURN JSON.stringify(r)", { agents = agents }))
    assert.equal('["<hi>","<hi>","seed-1/1",1]', text(ask "a" .. "RETURN [r.output, r.result, r.request_id, r.attempts]", { agents = agents }))
    assert.equal("reply: <hi>", text(ask "a" .. 'RETURN "reply: {{r}}"', { agents = agents }))
  end)

  it("has the fields of the agent's JSON", function()
    assert.equal('{"agent_id":"json","task_id":"seed-1/1","success":true,"vote":"approve","score":3,"list":[1]}',
      text(ask "json" .. "RETURN JSON.stringify(r)", { agents = agents }))
    assert.equal("no", text(ask "fenced" .. "RETURN r.vote", { agents = agents }))
    assert.equal('["yes","{\\"n\\":1,\\"vote\\":\\"yes\\"}"]', text(ask "table" .. "RETURN [r.vote, r.output]", { agents = agents }))
  end)

  it("cannot be forged: agent_id and request_id are the runtime's, the rest the agent's", function()
    assert.equal('["forger","seed-1/1","t9",false,"mine"]',
      text(ask "forger" .. "RETURN [r.agent_id, r.request_id, r.task_id, r.success, r.output]", { agents = agents }))
  end)

  it("is text, whatever it looks like", function()
    assert.equal("say {{ 1 / 0 }}", text(ask "template" .. 'RETURN "say {{r.output}}"', { agents = agents }))
    assert.equal("a\239\191\189b\0c", text(ask "bytes" .. "RETURN r.output", { agents = agents }))
  end)

  it("takes the event's task_id", function()
    assert.equal("t1", text(ask("a", ', task_id: "t1"') .. "RETURN r.task_id", { agents = agents }))
  end)

  it("is none where an agent or a handler in Lua gives `nil, err`: that is its failure", function()
    local both = { ["*"] = echo, asks = function() return orchlua.ask("broken", "x") end, says = function() return nil, "no paper" end,
      broken = agents.broken, nothing = function() end }
    local events = { ["ops:go"] = function() return nil, "no power" end }
    assert.equal("no paper", run.failure(ask "says", { agents = both }).message)
    assert.equal("no paper", run.failure(ask("says", ", try_timeout: 9"), { agents = both }).message)
    assert.equal("out of order", run.failure(ask "asks", { agents = both }).message)
    assert.equal("no power", run.failure("EVENT ops:go {} AS r", { agents = both, events = events }).message)
    assert.equal('""', text(ask "nothing" .. "RETURN JSON.stringify(r.output)", { agents = both }))
  end)

  it("that is no value is a failure", function()
    assert.equal("agent", run.failure(ask "nonsense", { agents = agents }).type)
  end)
end)

describe("a failed call", function()
  it("in sequence stops the run at its statement", function()
    local e = run.failure("STATE x = 1\n" .. ask "broken", { agents = agents })
    assert.equal("agent", e.type)
    assert.equal("out of order", e.message)
    assert.equal("broken", e.agent_id)
    assert.equal(2, e.line)
    assert.equal(1, e.attempts)
  end)

  it("is caught by TRY", function()
    assert.equal('["agent","out of order","broken",1]',
      text("TRY:\n  " .. ask "broken" .. "CATCH e:\n  RETURN [e.type, e.message, e.agent_id, e.attempts]", { agents = agents }))
  end)

  it("is data with on_error: \"return\"", function()
    assert.equal('[false,"agent",null,null]',
      text(ask("broken", ', on_error: "return"') .. "RETURN [r.success, r.error.type, r.output, r.result]", { agents = agents }))
  end)

  it("side by side is data, so that the others' work is kept", function()
    assert.equal('[true,false,true]', text([[
STATE ok = []
PARALLEL:
  FOREACH a IN ["x", "broken", "y"]:
    EVENT completion:async {agent_id: a, prompt: "p"} AS r
    APPEND ok r.success
RETURN ok
]], { agents = agents }))
  end)

  it("in a TRY of its own branch raises there", function()
    assert.equal('["agent"]', text([[
STATE caught = []
PARALLEL:
  BRANCH one:
    TRY:
      EVENT completion:async {agent_id: "broken", prompt: "p"} AS r
    CATCH e:
      APPEND caught e.type
RETURN caught
]], { agents = agents }))
  end)

  it("times out, when nothing comes", function()
    local e = run.failure(ask("hangs", ", timeout: 5"), { agents = agents })
    assert.equal("timeout", e.type)
    local r = run.run(ask("slow", ', timeout: 2, on_error: "return"') .. "RETURN [r.error.type, ELAPSED()]", { agents = agents })
    assert.equal("timeout", r.result[1])
    assert.is_true(r.result[2] >= 2 and r.result[2] < 2.1)
  end)

  it("is tried again when it timed out, and for an agent's own failure only when `retries` is given", function()
    local calls = 0
    local flaky = { ["*"] = function()
      calls = calls + 1
      if calls < 3 then error("flaky", 0) end
      return "ok"
    end }
    assert.equal("agent", run.failure(ask "a", { agents = flaky }).type)
    assert.equal(1, calls)
    calls = 0
    assert.equal('["ok",3]', text(ask("a", ", retries: 5") .. "RETURN [r.output, r.attempts]", { agents = flaky }))
    local tries = 0
    local slow_once = { ["*"] = function()
      tries = tries + 1
      if tries == 1 then orchlua.sleep(100) end
      return "second"
    end }
    assert.equal("second", text(ask("a", ", try_timeout: 1") .. "RETURN r.output", { agents = slow_once }))
    assert.equal(2, tries)
  end)

  it("has fields of the right kinds, or is an error of the program", function()
    for _, fields in ipairs { ", timeout: 0", ', timeout: "x"', ", retries: -1", ', on_error: "maybe"' } do
      assert.equal("type", run.failure(ask("a", fields), { agents = agents }).type, fields)
    end
    assert.equal("type", run.failure('EVENT completion:async {prompt: "x"} AS r', { agents = agents }).type)
    assert.equal("type", run.failure("EVENT completion:async AS r", { agents = agents }).type)
  end)

  it("of an agent that no configuration knows names it", function()
    local e = run.failure(ask "nobody", { agents = { somebody = echo } })
    assert.equal("agent", e.type)
    assert.matches("nobody", e.message)
  end)
end)

describe("an agent", function()
  it("is told who it is and which request this is", function()
    local told
    run.run(ask("w", ', extra: {a: 1}, timeout: 9'), { agents = { ["*"] = function(request) told = request return "" end } })
    assert.equal("w", told.agent_id)
    assert.equal("hi", told.prompt)
    assert.equal('{"agent_id":"w","prompt":"hi","extra":{"a":1},"timeout":9}', value.text(told.data))
    assert.equal("seed-1", told.run_id)
    assert.equal("seed-1/1", told.idempotency_key)
    assert.equal(1, told.attempt)
    assert.equal(9, told.timeout)
  end)

  it("is told the key that the event gives, which is a text", function()
    local told
    local given = { agents = { ["*"] = function(request) told = request return "" end } }
    for key, seen in pairs { ['"mine"'] = "mine", ["7"] = "7", ["null"] = "seed-1/1" } do
      run.run(ask("w", ", idempotency_key: " .. key), given)
      assert.equal(seen, told.idempotency_key)
    end
    for _, key in ipairs { "{}", "[1]", "true", '""' } do assert.equal("type", run.failure(ask("w", ", idempotency_key: " .. key), given).type) end
  end)

  it("gets a copy: what the program does later does not reach it", function()
    local kept
    run.run("STATE o = {a: 1}\nEVENT completion:async {agent_id: \"w\", prompt: \"\", o: o} AS r\nUPDATE o.a = 2", {
      agents = { ["*"] = function(request) kept = request.data return "" end },
    })
    assert.equal(1, kept.o.a)
  end)

  it("may ask another, sleep, and is not locked out by its own limit", function()
    local both = {
      outer = { lua = function() return "outer+" .. orchlua.ask("inner", "x") end, concurrency = 1 },
      inner = { lua = function(request)
        orchlua.sleep(1)
        if request.prompt == "x" then return "inner+" .. orchlua.ask("outer2", "y") end
        return "deep"
      end, concurrency = 1 },
      outer2 = function() return orchlua.ask("inner", "z") end,
    }
    assert.equal("outer+inner+deep", text(ask "outer" .. "RETURN r.output", { agents = both }))
  end)

  it("has at most `concurrency` calls at a time", function()
    local now, most = 0, 0
    local counting = { ["*"] = { concurrency = 3, lua = function()
      now = now + 1
      most = math.max(most, now)
      orchlua.sleep(1)
      now = now - 1
      return ""
    end } }
    run.result([[
PARALLEL:
  FOREACH i IN RANGE(20):
    EVENT completion:async {agent_id: "w{{i}}", prompt: "p"} AS r
]], { agents = counting })
    assert.equal(3, most)
  end)
end)

describe("AWAIT", function()
  local function send(agent, prompt) return ('EVENT completion:async {agent_id: "%s", prompt: "%s"}\n'):format(agent, prompt or "p") end

  it("takes the oldest reply, or waits for one", function()
    assert.equal('["<1>","<2>"]', text(send("a", "1") .. send("b", "2") .. "WAIT 1\nAWAIT x\nAWAIT y\nRETURN [x.output, y.output]", { agents = agents }))
  end)

  it("binds null, or runs TIMEOUT, when nothing came in time", function()
    assert.equal("null", text(send "slow" .. "AWAIT x TIMEOUT 1\nRETURN x", { agents = agents }))
    assert.equal("late", text(send "slow" .. 'AWAIT x TIMEOUT 1:\n  RETURN "early"\nTIMEOUT:\n  RETURN "late"', { agents = agents }))
    assert.equal("after", text(send "slow" .. 'AWAIT x TIMEOUT 1:\n  RETURN "early"\nRETURN "after"', { agents = agents }))
  end)

  it("FROM waits for one of those named", function()
    assert.equal("<2>", text(send("a", "1") .. send("b", "2") .. "AWAIT x FROM b\nRETURN x.output", { agents = agents }))
    assert.equal("<2>", text(send("a", "1") .. send("b", "2") .. 'AWAIT x FROM ANY(["b", "c"])\nRETURN x.output', { agents = agents }))
    assert.equal("<1>", text('STATE who = "a"\n' .. send("b", "2") .. send("a", "1") .. "AWAIT x FROM who\nRETURN x.output", { agents = agents }))
    assert.equal("<2>", text(send("b", "2") .. 'AWAIT {from: ["b"], timeout: 3} AS x\nRETURN x.output', { agents = agents }))
  end)

  it("FROM ALL gathers one from each in list order, and leaves what came on time-out", function()
    assert.equal('["<2>","<1>"]', text(send("a", "1") .. send("b", "2") .. 'AWAIT x FROM ALL(["b", "a"])\nRETURN MAP(x, r => r.output)', { agents = agents }))
    assert.equal('[null,"<1>"]', text(send("a", "1") .. send "slow" .. 'AWAIT x FROM ALL(["a", "slow"]) TIMEOUT 1\nAWAIT y\nRETURN [x, y.output]', { agents = agents }))
  end)

  it("a failed reply is data", function()
    assert.equal('[false,"agent"]', text(send "broken" .. "AWAIT x\nRETURN [x.success, x.error.type]", { agents = agents }))
  end)

  it("that can never be answered is stuck", function()
    assert.equal("stuck", run.failure("AWAIT x\nRETURN 1", { agents = agents }).type)
    assert.equal("stuck", text("TRY:\n  AWAIT x\nCATCH e:\n  RETURN e.type", { agents = agents }))
  end)

  it("the branch that has waited longest gets the message", function()
    assert.equal('["first","second"]', text([[
STATE order = []
PARALLEL:
  BRANCH one:
    AWAIT x
    APPEND order "first"
  BRANCH two:
    AWAIT x
    APPEND order "second"
  BRANCH sender:
    EVENT completion:async {agent_id: "a", prompt: "1"}
    WAIT 1
    EVENT completion:async {agent_id: "a", prompt: "2"}
RETURN order
]], { agents = agents }))
  end)

  it("a parallel iteration takes what it sent itself, and passes the rest on", function()
    assert.equal('[["<0>","<1>","<2>"],"<rest>"]', text([[
STATE got = []
PARALLEL:
  FOREACH i IN RANGE(3):
    EVENT completion:async {agent_id: "a", prompt: "{{i}}"}
    AWAIT x
    APPEND got x.output
    IF i == 1:
      EVENT completion:async {agent_id: "a", prompt: "rest"}
AWAIT y
RETURN [got, y.output]
]], { agents = agents }))
  end)

  local function patient(request)
    if request.prompt == "late" then orchlua.sleep(50) end
    return echo(request)
  end
  local timed = { quick = { latency = 1, lua = patient }, ["*"] = { latency = 4, lua = echo } }

  it("FROM ALL waits for a reply of its own rather than take an older one of the run's", function()
    assert.equal('["<new>","<q>"]', text([[
STATE got = null
SEND a "old"
WAIT 5
PARALLEL:
  FOREACH i IN RANGE(1):
    SEND a "new"
    SEND quick "q"
    AWAIT both FROM ALL([a, quick])
    UPDATE got = MAP(both, r => r.output)
AWAIT old
RETURN got
]], { agents = timed }))
  end)

  it("FROM ALL goes on when the last one comes to the run's mailbox", function()
    local r = run.run([[
SEND a "run's"
PARALLEL:
  FOREACH i IN RANGE(1):
    SEND quick "own"
    SEND quick "late"
    AWAIT both FROM ALL([quick, a])
    RETURN ELAPSED()
]], { agents = timed })
    assert.is_true(r.result < 5)
  end)

  it("takes a signal by its name, and no other AWAIT takes it", function()
    local r, rt = run.start('AWAIT x FROM approval\nRETURN [x.agent_id, x.ok, x.output]', { agents = agents })
    rt:loop { until_parked = true }
    assert.equal("running", r.status)
    assert.is_true(r:parked())
    assert.is_true(rt:signal(r.id, "approval", { ok = true }))
    rt:loop()
    rt:close()
    assert.equal('["approval",true,"{\\"ok\\":true}"]', value.text(r.result))
  end)
end)

describe("PARALLEL", function()
  it("runs its children side by side, and ends when all have ended", function()
    local r = run.run([[
STATE t = TIMESTAMP()
PARALLEL:
  WAIT 5
  BRANCH a: WAIT 3
  FOREACH i IN RANGE(4):
    WAIT i
RETURN ROUND(TIMESTAMP() - t)
]], { agents = agents })
    assert.equal(5, r.result)
  end)

  it("lets no other branch run between an error and its CATCH", function()
    assert.equal("11", text [[
STATE total = 0
PARALLEL:
  BRANCH a:
    TRY:
      STATE before = total
      FAIL "no wait"
    CATCH: UPDATE total = before + 1
  BRANCH b: UPDATE total = total + 10
RETURN total
]])
  end)

  it("gives the iterations of a range their positions", function()
    assert.equal("[[0,2],[1,3]]", text "STATE o = []\nPARALLEL:\n  FOREACH i, n IN RANGE(2, 4):\n    APPEND o [i, n]\nRETURN o")
  end)

  it("holds at most `limit` at a time, in order", function()
    assert.equal("[0,1,2,3,4]", text([[
STATE started = []
PARALLEL(limit: 2):
  FOREACH i IN RANGE(5):
    APPEND started i
    WAIT 10
RETURN started
]], {}))
    local r = run.run("STATE t = TIMESTAMP()\nPARALLEL(limit: 2):\n  FOREACH i IN RANGE(5):\n    WAIT 10\nRETURN ROUND(TIMESTAMP() - t)")
    assert.equal(30, r.result)
    assert.equal("type", run.failure("PARALLEL(limit: 0):\n  WAIT 1").type)
    assert.equal("type", run.failure('PARALLEL(limit: "x"):\n  WAIT 1').type)
  end)

  it("gives an iteration its own names, and shares the outer ones", function()
    assert.equal('[3,[0,10,20]]', text([[
STATE shared = 0
STATE seen = []
PARALLEL:
  FOREACH i IN RANGE(3):
    STATE mine = i * 10
    WAIT 5 - i
    UPDATE shared = shared + 1
    APPEND seen mine
RETURN [shared, SORT(seen)]
]]))
  end)

  it("nests, and reaches the names around it", function()
    assert.equal('["a0","a1","b0","b1"]', text([[
STATE out = []
PARALLEL:
  FOREACH name IN ["a", "b"]:
    PARALLEL:
      FOREACH i IN RANGE(2):
        WAIT 1
        APPEND out name + i
RETURN SORT(out)
]]))
  end)

  it("an error of the program waits for the others, then raises the first in source order", function()
    local r = run.run([[
STATE done = []
PARALLEL:
  BRANCH late:
    WAIT 5
    STATE x = null + 1
  BRANCH early:
    STATE y = 1 / 0
  BRANCH good:
    WAIT 9
    APPEND done "good"
]])
    assert.equal("failed", r.status)
    assert.equal("type", r.error.type)
    assert.equal(5, r.error.line)
    assert.equal('["good"]', value.text(r:names().done))
  end)

  it("is caught by a TRY around it", function()
    assert.equal('arithmetic', text("TRY:\n  PARALLEL:\n    BRANCH a: STATE x = 1 / 0\n    WAIT 1\nCATCH e:\n  RETURN e.type"))
  end)

  it("RETURN from a branch ends the run: the others and their calls are cancelled", function()
    local r = run.run([[
STATE log = []
PARALLEL:
  BRANCH quick:
    WAIT 1
    RETURN "quick"
  BRANCH slow:
    TRY:
      EVENT completion:async {agent_id: "hangs", prompt: ""} AS x
    FINALLY:
      APPEND log "cleaned"
  BRANCH other:
    WAIT 1000
    APPEND log "never"
]], { agents = agents })
    assert.equal("completed", r.status)
    assert.equal("quick", r.result)
    assert.equal('["cleaned"]', value.text(r:names().log))
    assert.is_true(r.duration < 5)
  end)

  it("RETURN passes every FINALLY around it and beside it, the children's before the parent's", function()
    local r = run.run [[
STATE log = []
PARALLEL:
  BRANCH outer:
    TRY:
      PARALLEL:
        BRANCH a:
          TRY:
            WAIT 1
            RETURN "from a"
          FINALLY:
            WAIT 1
            APPEND log "a"
        BRANCH b:
          TRY:
            WAIT 10
          FINALLY:
            APPEND log "b"
    FINALLY:
      APPEND log "outer"
  BRANCH c:
    WAIT 100
    APPEND log "never"
]]
    assert.equal("from a", r.result)
    assert.equal('["a","b","outer"]', value.text(r:names().log))
  end)

  it("of 100,000 waiting branches is parked, and says so at once", function()
    local r, rt = run.start("PARALLEL:\n  FOREACH i IN RANGE(100000):\n    WAIT 1000000", { real_time = true })
    rt:loop { until_parked = true }
    rt:close()
    assert.equal("running", r.status)
    assert.is_true(r:parked())
  end)

  it("of nothing goes on at once", function()
    assert.equal("1", text "PARALLEL:\n  FOREACH x IN []:\n    WAIT 1\nRETURN 1")
  end)

  it("of 100,000 iterations with a limit makes them as it goes", function()
    assert.equal("100000", text("STATE n = 0\nPARALLEL(limit: 10):\n  FOREACH i IN RANGE(100000):\n    UPDATE n = n + 1\nRETURN n"))
  end)
end)

describe("the end of a run", function()
  it("waits for replies that are outstanding; its result is the last event's answer", function()
    assert.equal("<p>", text('EVENT completion:async {agent_id: "slow", prompt: "p"}', { agents = agents }))
    assert.equal('{"status":"done"}', text 'EVENT agent:status {status: "done"}')
    assert.equal("null", text "STATE x = 1")
    assert.equal('{"vote":"yes","n":1}', '{"vote":"yes","n":1}')
  end)

  it("cuts off no FINALLY that runs, nor what is nested in it", function()
    for _, cleaning in ipairs {
      'TRY:\n        WAIT 5\n        APPEND log "clean"\n      FINALLY: APPEND log "up"',
      'PARALLEL:\n        BRANCH:\n          WAIT 5\n          APPEND log "clean"\n      APPEND log "up"',
      'EVENT orchestration:request_termination {reason: "once more"}\n      APPEND log "clean"\n      APPEND log "up"',
    } do
      local r = run.run(([[
STATE log = []
PARALLEL:
  BRANCH:
    TRY: WAIT 2
    FINALLY:
      %s
    APPEND log "never"
  BRANCH:
    WAIT 3
    RETURN 1
]]):format(cleaning))
      assert.equal('["clean","up"]', value.text(r:names().log), cleaning)
      assert.is_true(r.duration < 10, cleaning)
    end
  end)

  it("on cancel runs FINALLY, for 30 s at most", function()
    local r, rt = run.start('STATE log = []\nTRY:\n  WAIT 1000\nFINALLY:\n  WAIT 5\n  APPEND log "clean"', {})
    rt:loop { stop = function() rt:cancel(r.id, "enough") return true end }
    rt:loop()
    rt:close()
    assert.equal("cancelled", r.status)
    assert.equal('["clean"]', value.text(r:names().log))
    r, rt = run.start('TRY:\n  WAIT 1000\nFINALLY:\n  WAIT 500', {})
    rt:loop { stop = function() rt:cancel(r.id) return true end }
    rt:loop()
    rt:close()
    assert.equal("cancelled", r.status)
    assert.is_true(r.duration > 29 and r.duration < 31)
  end)

  it("request_termination ends it as cancelled, with the reason", function()
    local r = run.run 'EVENT orchestration:request_termination {reason: "done here"}\nSTATE x = 1 / 0'
    assert.equal("cancelled", r.status)
    assert.equal("done here", r.error.message)
  end)
end)
