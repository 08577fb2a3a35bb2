local command = require "spec.support.command"
local core = require "orchlua.core"
local standin = require "spec.support.models"

local json = core.json

local server, folder

setup(function() server = standin.start() end)
teardown(function() server.stop() end)

local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(text)
  file:close()
end

before_each(function()
  server.clear()
  folder = command.folder {}
  write("key", "sk-durable-spec")
  write("orchlua.config.lua", ([[return { agents = {
    m = { openai = { base_url = %q, model = "m", max_tokens = 500, api_key_file = "key" }, system = false, timeout = 30, price = { input = 1, output = 1 } },
  } }]]):format(server.url .. "/v1"))
end)

after_each(function() command.remove(folder) end)

local function orchlua(arguments)
  local out = command.shell(("%s %s --store %s/s.db"):format(command.path, arguments, folder), folder)
  out.json = json.decode(out.out)
  return out
end

local function ask(prompt, fields, name)
  return ('EVENT completion:async {agent_id: "m", prompt: "%s"%s} AS %s\n'):format(prompt, fields or "", name or "r")
end

-- Runs a program until the server has been asked so often, then kills it.
local function kill_in_call(arguments, count)
  local script = ("%s %s --store %s/s.db --run-id r & p=$!; n=0; while [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); "
    .. "[ $(curl -s %s/requests | grep -o idempotency-key | wc -l) -ge %d ] && break; done; kill -9 $p; wait $p 2>/dev/null"):format(
    command.path, arguments, folder, server.url, count)
  return command.shell(script:gsub("curl %-s (%S+)/requests", "perl -MHTTP::Tiny -e 'print HTTP::Tiny->new->get(\"%1/requests\")->{content}'"), folder)
end

describe("after a crash", function()
  it("an agent still remembers its exchanges, and a question in flight goes out again under its key", function()
    write("p.dsl", ask "one" .. ask "[[delay 1]]two" .. ask("[[history]]", nil, "h") .. "RETURN MAP(h.result, m => m.content)")
    kill_in_call("p.dsl", 2)
    local out = orchlua "resume r --output json"
    assert.equal("completed", out.json.status, out.err)
    assert.equal('["one","echo: one","[[delay 1]]two","echo: two","[[history]]"]', json.encode(out.json.result))
    local list = server.requests()
    assert.equal(4, #list)
    assert.equal(list[2].headers["idempotency-key"], list[3].headers["idempotency-key"])
    assert.equal(json.encode(list[2].body), json.encode(list[3].body))
  end)

  it("the try that was in flight is charged as a whole, and the budget still holds", function()
    write("p.dsl", ask "[[delay 1]][[usage 300 300]]one" .. "STATE first = r.usage.tokens\nTRY:\n  " .. ask("two") .. "CATCH e:\n  RETURN [first, e.type]")
    kill_in_call("p.dsl --budget tokens=1500", 1)
    local out = orchlua "resume r --output json"
    assert.equal("completed", out.json.status, out.err)
    local first = out.json.result[1]
    assert.is_true(first > 1100 and first < 1400, tostring(first))
    assert.equal("budget", out.json.result[2])
    assert.equal(2, #server.requests())
    local traced = orchlua "trace r --output json".json
    assert.equal(600, traced.steps[2].tokens)
    assert.equal(out.json.usage.tokens, traced.usage.tokens)
    assert.matches(("\n%d tokens were charged: a try that no server told of counts at its most\n$"):format(first), orchlua "trace r".out)
  end)

  it("costs are written without the noise of sums", function()
    write("orchlua.config.lua", ([[return { agents = {
      m = { openai = { base_url = %q, model = "m", max_tokens = 500, api_key_file = "key" }, system = false, price = { input = 100000, output = 100000 } },
    } }]]):format(server.url .. "/v1"))
    write("p.dsl", "FOREACH i IN RANGE(3):\n  " .. ask "[[usage 1 0]]x" .. "RETURN 1")
    assert.is_true(0.1 + 0.1 + 0.1 ~= 0.3)
    for _, arguments in ipairs { "p.dsl --run-id r --output json", "show r --output json", "runs --output json", "trace r --output json" } do
      local out = orchlua(arguments)
      assert.matches('"cost": 0.3,', out.out, 1, true)
      assert.is_nil(out.out:find("0.30000", 1, true), arguments)
    end
    assert.is_nil(orchlua("p.dsl --output events").out:find("0.30000", 1, true))
    assert.is_nil(orchlua("trace r").out:find("charged", 1, true))
  end)

  it("a second question about a reply's shape is not begun from the start", function()
    write("p.dsl", ask("[[reply no]]", ', schema: {const: "[[delay 1]]"}, on_error: "return"') .. "RETURN [r.error.type, r.attempts]")
    kill_in_call("p.dsl", 2)
    local out = orchlua "resume r --output json"
    assert.equal('["schema",3]', json.encode(out.json.result), out.err)
    local list = server.requests()
    assert.equal(3, #list)
    assert.equal(json.encode(list[2].body.messages), json.encode(list[3].body.messages))
  end)
end)

describe("killed at random moments", function()
  it("a run asks nothing twice under two keys, charges all that it sent, and ends as it should", function()
    write("p.dsl", [=[
STATE seen = []
PARALLEL(limit: 3):
  FOREACH n IN RANGE(9):
    EVENT completion:async {agent_id: "m", prompt: "[[delay 0.1]][[usage 10 10]]q{{n}}"} AS r
    APPEND seen n
EVENT completion:async {agent_id: "m", prompt: "[[history]]"} AS h
RETURN [LENGTH(seen), LENGTH(UNIQUE(seen)), LENGTH(h.result)]
]=])
    local seed = os.time()
    math.randomseed(seed)
    local start, out = "p.dsl --run-id r --budget tokens=100000,calls=100"
    local arguments, kills = start, 0
    repeat
      -- A request that was in flight in five crashes is given up.
      local killed_after = kills < 4 and ("timeout -s KILL %.3f "):format(0.05 + math.random() * 0.5) or ""
      out = command.shell(("%s%s %s --store %s/s.db --output json"):format(killed_after, command.path, arguments, folder), folder)
      kills = kills + 1
      if out.err:find("has ended", 1, true) then out = orchlua "show r --output json" end -- killed between its last row and its output
      local killed_before_it_began = out.err:find("there is no run `r`", 1, true) or out.err:find("there is no store", 1, true)
      arguments = killed_before_it_began and start or "resume r"
    until out.status == 0 or kills > 9
    local what = ("seed %d: %s"):format(seed, out.err)
    local ended = assert(json.decode(out.out), what)
    assert.equal("[9,9,17]", json.encode(ended.result), what)
    local keys, count, list = {}, 0, server.requests()
    for _, request in ipairs(list) do
      local key = request.headers["idempotency-key"]
      if not keys[key] then count = count + 1 end
      keys[key] = keys[key] or request.body
      assert.equal(json.encode(keys[key]), json.encode(request.body), what)
    end
    assert.equal(10, count, what)
    assert.is_true(ended.usage.calls >= #list and ended.usage.calls <= 100, what)
    assert.is_true(ended.usage.tokens >= 20 * 9 + (ended.usage.calls - 10) * 500, what)
  end)
end)

describe("a run that ran out of its budget", function()
  it("goes on with a larger one", function()
    write("p.dsl", ask "[[usage 5 5]]one" .. ask "[[usage 5 5]]two" .. "RETURN r.output")
    local out = orchlua "p.dsl --run-id r --budget calls=1"
    assert.equal(1, out.status)
    assert.truthy(out.err:find("does not allow to ask `m`", 1, true), out.err)
    out = orchlua "resume r --budget calls=2 --output json"
    assert.equal("echo: two", out.json.result, out.err)
    assert.equal(20, out.json.usage.tokens)
    assert.equal(2, #server.requests())
  end)
end)

describe("tokens and money", function()
  it("are in show, runs and trace", function()
    write("p.dsl", ask "[[usage 1000000 500000]]one" .. "RETURN 1")
    orchlua "p.dsl --run-id r"
    assert.equal('{"tokens":1500000,"input":1000000,"output":500000,"cost":1.5}', json.encode(orchlua("show r --output json").json.usage.agents.m))
    assert.truthy(orchlua("show r").out:find("1500000 tokens", 1, true))
    assert.equal(1.5, orchlua("runs --output json").json[1].usage.cost)
    assert.truthy(orchlua("trace r").out:find(" 1.5M", 1, true))
  end)
end)

describe("a recording", function()
  local PROGRAM = ask "one" .. ask("two", ', stream: true', "b") .. ask("[[status 400]]", ', on_error: "return"', "c")
    .. "RETURN [r.output, b.output, c.error.message, b.usage.tokens]"

  it("answers as the agents did, and asks nobody", function()
    write("p.dsl", PROGRAM)
    local recorded = orchlua "p.dsl --record replies.jsonl --output json"
    assert.equal("completed", recorded.json.status, recorded.err)
    server.clear()
    local replayed = orchlua "p.dsl --replay replies.jsonl --output json"
    assert.equal(json.encode(recorded.json.result), json.encode(replayed.json.result), replayed.err)
    assert.equal(json.encode(recorded.json.usage), json.encode(replayed.json.usage))
    assert.equal(0, #server.requests())
  end)

  it("needs no configuration", function()
    write("p.dsl", PROGRAM)
    orchlua "p.dsl --record replies.jsonl"
    os.remove(folder .. "/orchlua.config.lua")
    assert.equal("completed", orchlua("p.dsl --replay replies.jsonl --output json").json.status)
  end)

  it("gives equal requests their answers in the order in which they were asked", function()
    write("orchlua.config.lua", [=[
local orchlua, asked = require "orchlua", 0
return { agents = { a = function()
  asked = asked + 1
  local mine = asked
  orchlua.sleep(mine == 1 and 0.2 or 0)
  return "answer " .. mine
end } }
]=])
    write("p.dsl", 'PARALLEL:\n  EVENT completion:async {agent_id: "a", prompt: "x"} AS a\n  EVENT completion:async {agent_id: "a", prompt: "x"} AS b\nRETURN [a.output, b.output]')
    local expected = '["answer 1","answer 2"]'
    assert.equal(expected, json.encode(orchlua("p.dsl --record replies.jsonl --output json").json.result))
    assert.equal(expected, json.encode(orchlua("p.dsl --replay replies.jsonl --output json").json.result))
  end)

  it("has a call's failure once, after all of its tries", function()
    write("p.dsl", ask("[[status 500]][[header Retry-After 0]]", ', retries: 2, on_error: "return"')
      .. ask("half an answer [[pieces 4]][[break 2]]", ', stream: true, on_error: "return"', "b") .. "RETURN [r.error.message, r.error.status, b.error.partial]")
    local recorded = orchlua "p.dsl --record replies.jsonl --output json"
    assert.equal("echo: half", recorded.json.result[3]:sub(1, 10))
    assert.equal(json.encode(recorded.json.result), json.encode(orchlua("p.dsl --replay replies.jsonl --output json").json.result))
  end)

  it("stops the run at a request that it does not know, wherever it is asked", function()
    write("p.dsl", ask "one" .. "RETURN 1")
    orchlua "p.dsl --record replies.jsonl"
    write("q.dsl", "STATE seen = 0\nTRY:\n  PARALLEL:\n    " .. ask("other", ', on_error: "return"') .. "CATCH e:\n  RETURN e.type\nRETURN seen")
    local out = orchlua "q.dsl --replay replies.jsonl"
    assert.equal(1, out.status)
    assert.truthy(out.err:find("q.dsl:4:5: error: replies.jsonl has no reply to what the agent `m` was asked\n", 1, true), out.err)
    write("q.dsl", ask "one" .. ask "one")
    out = orchlua "q.dsl --replay replies.jsonl"
    assert.truthy(out.err:find("has only 1 reply to what the agent", 1, true), out.err)
  end)

  it("needs no configuration for events, whoever answered them", function()
    write("orchlua.config.lua", [=[
return { agents = { echo = function(request) return "<" .. request.prompt .. ">" end }, events = {
  ["eval:run"] = function(data) return { score = #data.text } end, ["bad:one"] = function() error("no luck", 0) end,
  ["say:it"] = { exec = { "cat" } }, ["ask:it"] = { agent = "echo" },
} }
]=])
    write("p.dsl", [=[
EVENT eval:run {text: "abc"} AS a
EVENT say:it {prompt: "x"} AS b
EVENT ask:it {prompt: "y"} AS c
TRY:
  EVENT bad:one {n: 1} AS d
CATCH e:
  RETURN [a.score, b.output, c.output, e.message]
]=])
    local expected = '[3,"x","<y>","no luck"]'
    assert.equal(expected, json.encode(orchlua("p.dsl --record replies.jsonl --output json").json.result))
    os.remove(folder .. "/orchlua.config.lua")
    assert.equal(expected, json.encode(orchlua("p.dsl --replay replies.jsonl --output json").json.result))
  end)

  it("is kept in memory when no store is named: `resume --all` would ask real agents", function()
    write("p.dsl", ask "one" .. "RETURN 1")
    orchlua "p.dsl --record replies.jsonl"
    local kept = folder .. "/kept.db"
    local out = command.shell(("ORCHLUA_STORE=%s %s p.dsl --replay replies.jsonl"):format(kept, command.path), folder)
    assert.equal("1\n", out.out, out.err)
    assert.is_nil(io.open(kept))
  end)

  it("is not written over, and a file that is none is refused", function()
    write("p.dsl", ask "one")
    orchlua "p.dsl --record replies.jsonl"
    local out = orchlua "p.dsl --record replies.jsonl"
    assert.equal(2, out.status)
    assert.truthy(out.err:find("has replies in it already", 1, true), out.err)
    out = orchlua "p.dsl --replay p.dsl"
    assert.equal(2, out.status)
    assert.truthy(out.err:find("p.dsl:1: this is no recorded reply", 1, true), out.err)
  end)
end)
