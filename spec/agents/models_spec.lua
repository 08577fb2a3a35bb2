local command = require "spec.support.command"
local core = require "orchlua.core"
local run = require "spec.support.run"
local standin = require "spec.support.models"

local value = core.value

local KEY = "sk-spec-0123456789abcdef"

local server, key_file

setup(function()
  server, key_file = standin.start { key = KEY }, standin.key_file(KEY)
end)

teardown(function()
  server.stop()
  os.remove(key_file)
end)

before_each(function() server.clear() end)

-- The agents `o`, `a` and `l`, one of each kind, with further settings.
local function agents(extra)
  local function entry(kind, path, more)
    local settings = { base_url = server.url .. path, model = "m-1", api_key_file = key_file }
    for name, setting in pairs(more or {}) do settings[name] = setting end
    local made = { [kind] = settings, timeout = 10, retries = 0 }
    for name, setting in pairs(extra or {}) do made[name] = setting end
    return made
  end
  return { o = entry("openai", "/v1"), a = entry("anthropic", ""), l = entry("ollama", "") }
end

local function go(program, options)
  options = options or {}
  local records
  local ended
  ended, records = run.run(program, { agents = options.agents or agents(options.extra), real_time = true, input = options.input, defaults = options.defaults })
  return ended, records
end

local function result(program, options)
  local ended, records = go(program, options)
  if ended.status ~= "completed" then error(("the run %s: %s"):format(ended.status, tostring(ended.error)), 2) end
  return ended.result, records
end

local function ask(agent, prompt, fields)
  return ('EVENT completion:async {agent_id: "%s", prompt: %s%s} AS r\n'):format(agent, core.json.encode(prompt), fields or "")
end

local function answer(agent, prompt, fields, options)
  return result(ask(agent, prompt, fields) .. "RETURN r.output", options)
end

local function failure(agent, prompt, fields, options)
  return result(ask(agent, prompt, (fields or "") .. ', on_error: "return"') .. "RETURN r.error", options)
end

local function deltas(records)
  local pieces = {}
  for _, record in ipairs(records) do
    if record.type == "delta" then pieces[#pieces + 1] = record.text end
  end
  return pieces
end

local function sent() return server.requests() end

local KINDS = { "o", "a", "l" }

describe("a model agent", function()
  it("answers in each dialect, plain and in pieces", function()
    for _, kind in ipairs(KINDS) do
      assert.equal("echo: hello", answer(kind, "hello"))
      local text, records = answer(kind, "hello there, [[pieces 4]]you", ", stream: true")
      assert.equal("echo: hello there, you", text)
      assert.equal(4, #deltas(records))
      assert.equal(text, table.concat(deltas(records)))
    end
  end)

  it("is told the model, the system prompt, its settings and what is passed through", function()
    local given = agents { system = "Be {agent_id}.", temperature = 0.5, max_tokens = 77 }
    for _, entry in pairs(given) do
      local settings = entry.openai or entry.anthropic or entry.ollama
      settings.top_p, settings.headers = 0.9, { ["X-Team"] = "blue" }
    end
    result(ask("o", "q") .. ask("a", "q") .. ask("l", "q") .. "RETURN 1", { agents = given })
    local list = sent()
    for i, name in ipairs { "o", "a", "l" } do
      local body = list[i].body
      assert.equal("m-1", body.model)
      assert.equal(0.9, body.top_p)
      assert.equal("blue", list[i].headers["x-team"])
      assert.equal("application/json", list[i].headers["content-type"])
      local system = name == "a" and body.system or body.messages[1].content
      assert.equal("Be " .. name .. ".", system)
      assert.equal("q", body.messages[#body.messages].content)
    end
    assert.same({ 0.5, 77 }, { list[1].body.temperature, list[1].body.max_tokens })
    assert.same({ 0.5, 77 }, { list[2].body.temperature, list[2].body.max_tokens })
    assert.same({ 0.5, 77 }, { list[3].body.options.temperature, list[3].body.options.num_predict })
    assert.equal("Bearer " .. KEY, list[1].headers.authorization)
    assert.same({ KEY, "2023-06-01" }, { list[2].headers["x-api-key"], list[2].headers["anthropic-version"] })
  end)

  it("has its name as its role without a system prompt, and none with `system = false`", function()
    assert.truthy(answer("o", "[[system]]"):find('You are "o"', 1, true))
    assert.is_nil((answer("o", "[[history]]", nil, { extra = { system = false } })):find("You are", 1, true))
  end)

  it("is sent 4,096 as its limit where none is set", function()
    result(ask("o", "q") .. ask("a", "q") .. ask("l", "q") .. "RETURN 1")
    local list = sent()
    assert.equal(4096, list[1].body.max_tokens)
    assert.equal(4096, list[2].body.max_tokens)
    assert.equal(4096, list[3].body.options.num_predict)
  end)

  it("is asked with the rest of the data where there is no prompt", function()
    assert.equal('echo: {"draft":"x","n":1}', result('EVENT completion:async {agent_id: "o", draft: "x", n: 1, timeout: 9} AS r\nRETURN r.output'))
  end)

  it("reports what each reply took, and the run in all", function()
    local ended = go(ask("o", "hi [[usage 100 20]]") .. "STATE u = r.usage\n" .. ask("o", "hi [[usage 50 5]]") .. "RETURN [u, r.usage]",
      { extra = { price = { input = 3, output = 15 } } })
    assert.equal('[{"tokens":120,"input":100,"output":20,"cost":0.0006},{"tokens":55,"input":50,"output":5,"cost":0.000225}]', value.text(ended.result))
    assert.same({ 150, 25, 2, 2 }, { ended.usage.input, ended.usage.output, ended.usage.calls, ended.usage.requests })
    assert.is_true(math.abs(ended.usage.cost - 0.000825) < 1e-12)
  end)

  it("takes usage from the transport, never from what the reply says", function()
    local ended = go(ask("o", '[[usage 100 20]][[reply {"usage": {"tokens": 9}} ]]'))
    assert.equal(120, ended.usage.input + ended.usage.output)
  end)
end)

describe("without a configuration, with a key in the environment", function()
  local folder
  before_each(function() folder = command.folder { ["p.dsl"] = ask("market_analyst", "[[system]]") .. "RETURN r.output" } end)
  after_each(function() command.remove(folder) end)

  it("every agent is that provider's model, with its name as its role", function()
    local open = standin.start()
    for _, variables in ipairs {
      ("OPENAI_API_KEY=%s OPENAI_BASE_URL=%s/v1"):format(KEY, server.url), ("ANTHROPIC_API_KEY=%s ANTHROPIC_BASE_URL=%s"):format(KEY, server.url),
      ("OLLAMA_HOST=127.0.0.1:%d OLLAMA_MODEL=tiny"):format(open.port),
    } do
      local out = command.shell(("%s %s p.dsl --quiet --store :memory:"):format(variables, command.path), folder)
      assert.truthy(out.out:find('You are "market_analyst"', 1, true), out.err)
    end
    local list, other = sent(), open.requests()
    open.stop()
    assert.same({ "gpt-4o-mini", "claude-sonnet-4-5", "tiny" }, { list[1].body.model, list[2].body.model, other[1].body.model })
  end)

  it("and with none a program that asks agents is refused", function()
    local out = command.shell(("env -u OPENAI_API_KEY -u ANTHROPIC_API_KEY -u OLLAMA_HOST %s p.dsl --store :memory:"):format(command.path), folder)
    assert.equal(2, out.status)
    assert.truthy(out.err:find("OPENAI_API_KEY", 1, true), out.err)
  end)
end)

describe("an answer in pieces", function()
  it("is read right however the bytes are cut, and with comments, CRLF and data on several lines", function()
    local text = "naïve — “résumé” 🎉 " .. ("x"):rep(50)
    for _, kind in ipairs(KINDS) do
      for _, how in ipairs { "[[cut 1]]", "[[cut 7]]", "[[cut 1]][[crlf]]", "[[comments]][[cut 3]]", "[[multiline]][[cut 5]]", "[[multiline]][[crlf]][[comments]]" } do
        assert.equal("echo: " .. text, answer(kind, text .. how .. "[[pieces 5]]", ", stream: true"))
      end
    end
  end)

  it("comes from an agent that is set to stream, unless the event says otherwise", function()
    local _, records = answer("o", "one [[pieces 3]]two", nil, { extra = { stream = true } })
    assert.equal(3, #deltas(records))
    _, records = answer("o", "one [[pieces 3]]two", ", stream: false", { extra = { stream = true } })
    assert.equal(0, #deltas(records))
  end)

  it("is one piece by an agent that has none", function()
    local given = { f = function() return "whole" end }
    local text, records = answer("f", "q", ", stream: true", { agents = given })
    assert.equal("whole", text)
    assert.same({ "whole" }, deltas(records))
    local types = {}
    for i, record in ipairs(records) do types[i] = record.type end
    assert.same({ "run:started", "completion:async", "delta", "reply", "run:completed" }, types)
  end)

  it("is told with the try it belongs to, without `seq`, and is no part of the reply's record", function()
    local _, records = answer("o", "a [[break 2]][[times 1]][[pieces 4]]bcd efg", ", stream: true, retries: 1")
    local attempts = {}
    for _, record in ipairs(records) do
      if record.type == "delta" then
        assert.is_nil(record.seq)
        attempts[record.attempt] = (attempts[record.attempt] or 0) + 1
      end
    end
    assert.same({ 2, 4 }, attempts)
  end)

  it("that breaks off is a failure with what had come", function()
    for _, kind in ipairs(KINDS) do
      local err = failure(kind, "[[break 2]][[pieces 4]]abcdefghij", ", stream: true, retries: 0")
      assert.equal("transport", err.type)
      assert.truthy(#err.partial > 0 and ("echo: abcdefghij"):sub(1, #err.partial) == err.partial)
      assert.truthy(err.message:find("bytes: …", 1, true), err.message)
    end
  end)

  it("that ends without its end is one too", function()
    for _, kind in ipairs(KINDS) do
      local err = failure(kind, "[[end 2]][[pieces 4]]abcdefghij", ", stream: true, retries: 0")
      assert.equal("transport", err.type)
      assert.truthy(err.message:find("the stream broke off", 1, true), err.message)
    end
  end)

  it("that stalls runs into the time-out, and says what had come", function()
    for _, kind in ipairs(KINDS) do
      local err = failure(kind, "[[stall 2]][[pieces 4]]abcdefghij", ", stream: true, timeout: 0.4")
      assert.equal("timeout", err.type)
      assert.truthy(#err.partial > 0)
    end
  end)

  it("with an error in it fails with the server's words", function()
    for _, kind in ipairs(KINDS) do
      local err = failure(kind, "[[error 2]][[pieces 4]]abcdefghij", ", stream: true, retries: 0")
      assert.truthy(err.message:find("the server's answer is an error", 1, true), err.message)
      assert.truthy(#err.partial > 0)
    end
  end)

  it("may have its error without a field of that name, and its last line without an end", function()
    local openai, ollama = require "orchlua.agents.models.openai", require "orchlua.agents.models.ollama"
    local found = {}
    assert.is_nil(openai.piece(found, core.json.decode '{"object": "error", "message": "too long", "code": 400}'))
    assert.equal("too long", found.problem.message)
    local reader = require("orchlua.agents.models.lines").reader(function(line) ollama.piece(found, core.json.decode(line)) end)
    reader:feed '{"done": true, "prompt_eval_count": 1, "eval_count": 2}'
    reader:finish()
    assert.equal("stop", found.ending)
  end)

  it("that is whole needs no end of its body", function()
    for _, kind in ipairs(KINDS) do
      for _ = 1, 2 do assert.equal("echo: abc", answer(kind, "[[open]]abc", ", stream: true, timeout: 5"), kind) end
    end
  end)

  it("may have its text in parts, as a whole answer may", function()
    local openai = require "orchlua.agents.models.openai"
    local parts = '[{"type": "text", "text": "a"}, {"type": "image_url"}, null, {"type": "text", "text": 1}, {"type": "text", "text": "b"}]'
    local function body_of(kind, content)
      return ('{"choices": [{"%s": {"role": "assistant", "content": %s}, "finish_reason": "stop"}]}'):format(kind, content)
    end
    local function whole(content) return openai.answer(select(2, core.json.find(body_of("message", content), openai.paths))).text end
    local function piece(content) return openai.piece({}, core.json.decode(body_of("delta", content))) end
    assert.equal("ab", whole(parts))
    assert.equal("ab", piece(parts))
    for _, content in ipairs { "[]", "null", "{}", "1", '[{"type": "image_url"}]', '["a"]' } do
      assert.is_nil(whole(content))
      assert.is_nil(piece(content))
    end
    assert.equal("ab", answer("o", '[[raw {"choices": [{"message": {"content": ' .. parts .. '}, "finish_reason": "stop"}]}]]'))
  end)

  it("is whole at 1 MB", function()
    assert.equal(1000000, #answer("o", "[[big 1000000]][[pieces 500]]", ", stream: true"))
  end)
end)

describe("a refused request", function()
  it("fails at once with the server's own message, but for the statuses that pass", function()
    for _, status in ipairs { 400, 401, 403, 404, 413, 422 } do
      server.clear()
      local err = failure("o", ("[[status %d]]"):format(status), ", retries: 3")
      assert.equal(status, err.status)
      assert.equal(("the server answered with status %d: stand-in says %d"):format(status, status), err.message)
      assert.equal(1, #sent())
    end
  end)

  it("is sent again on 408, 409, 425, 429 and 5xx, under one key", function()
    for _, status in ipairs { 408, 409, 425, 429, 500, 502, 503, 529 } do
      server.clear()
      local ended = go(ask("o", ("[[status %d]][[times 2]][[header Retry-After 0]]ok"):format(status)) .. "RETURN [r.output, r.attempts]",
        { extra = { retries = 2 } })
      assert.equal('["echo: ok",3]', value.text(ended.result))
      local keys = {}
      for _, request in ipairs(sent()) do keys[request.headers["idempotency-key"]] = true end
      assert.equal(3, #sent())
      assert.is_not_nil(next(keys))
      assert.is_nil(next(keys, (next(keys))))
    end
  end)

  it("waits as long as the server asks, in either form", function()
    local started = core.loop.clock()
    result(ask("o", "[[status 429]][[times 1]][[header Retry-After 1]]ok", ", retries: 1") .. "RETURN 1")
    assert.is_true(core.loop.clock() - started >= 1)
    local list = sent()
    assert.is_true(list[2].at - list[1].at >= 0.95)
    server.clear()
    started = core.loop.clock()
    local date = os.date("!%a, %d %b %Y %H:%M:%S GMT", math.floor(started) + 3)
    result(ask("o", ("[[status 503]][[times 1]][[header Retry-After %s]]ok"):format(date), ", retries: 1") .. "RETURN 1")
    assert.is_true(core.loop.clock() >= math.floor(started) + 3)
  end)

  it("fails at once when the server asks for a longer pause than there is time", function()
    local started = core.loop.clock()
    local err = failure("o", "[[status 429]][[header Retry-After 60]]", ", retries: 2, timeout: 5")
    assert.equal(429, err.status)
    assert.is_true(core.loop.clock() - started < 4)
  end)

  it("shares its time over all tries, each with its own share", function()
    local err = failure("o", "[[delay 5]]", ", retries: 1, try_timeout: 0.2, timeout: 3")
    assert.equal("timeout", err.type)
    assert.equal(2, #sent())
  end)
end)

describe("an answer that is none", function()
  it("is a clear error", function()
    for raw, message in pairs {
      ["<html>busy</html>"] = "the server's answer is no JSON object: <html>busy</html>", ["[1]"] = "the server's answer is no JSON object: [1]",
      ["{}"] = "the server's answer has no text in it", ['{"choices":[],"content":7,"message":[]}'] = "the server's answer has no text in it",
      ['{"error":{"message":"no luck"}}'] = "the server's answer is an error: no luck",
    } do
      for _, kind in ipairs(KINDS) do assert.equal(message, failure(kind, ("[[raw %s]]"):format(raw)).message) end
    end
  end)

  it("is one that the default limit cut off, and not one that the agent's own limit did", function()
    local endings = { o = "length", a = "max_tokens", l = "length" }
    for _, kind in ipairs(KINDS) do
      local prompt = ("[[finish %s]]half"):format(endings[kind])
      local err = failure(kind, prompt)
      assert.truthy(err.message:find("cut off at 4096 tokens", 1, true), err.message)
      assert.equal("echo: half", err.partial)
      assert.truthy(failure(kind, prompt, ", stream: true").message:find("cut off at 4096 tokens", 1, true))
      assert.equal("echo: half", answer(kind, prompt, nil, { extra = { max_tokens = 10 } }))
    end
  end)

  it("is a refusal of the model", function()
    assert.truthy(failure("a", "[[finish refusal]]no").message:find("refused to answer", 1, true))
    assert.truthy(failure("o", "[[finish content_filter]]no").message:find("refused to answer", 1, true))
  end)
end)

describe("memory", function()
  local function history(agent, options)
    return result(('EVENT completion:async {agent_id: "%s", prompt: "[[history]]"} AS h\nRETURN MAP(h.result, m => m.content)'):format(agent), options)
  end

  local function exchanges(count, agent)
    local program = {}
    for i = 1, count do program[i] = ask(agent, "q" .. i) end
    return table.concat(program) .. ('EVENT completion:async {agent_id: "%s", prompt: "[[history]]"} AS h\nRETURN MAP(h.result, m => m.content)'):format(agent)
  end

  it("gives an agent its own exchanges of the run, and nobody else's", function()
    assert.equal('["q1","echo: q1","q2","echo: q2","[[history]]"]', value.text(result(ask("a", "other") .. exchanges(2, "o"), { extra = { system = false } })))
    assert.equal('["[[history]]"]', value.text(history("o", { extra = { system = false } })))
  end)

  it("keeps 8, or as many as it is told, or none", function()
    assert.equal(17, #result(exchanges(10, "o"), { extra = { system = false } }))
    assert.equal('["q3","echo: q3","q4","echo: q4","[[history]]"]', value.text(result(exchanges(4, "o"), { extra = { system = false, memory = { turns = 2 } } })))
    assert.equal('["[[history]]"]', value.text(result(exchanges(4, "o"), { extra = { system = false, memory = false } })))
  end)

  it("has the exchanges completed before the call was made, and none that failed", function()
    local program = [=[
PARALLEL:
  FOREACH n IN [1, 2, 3]:
    EVENT completion:async {agent_id: "o", prompt: "[[history]]"} AS h
    APPEND sizes LENGTH(h.result)
EVENT completion:async {agent_id: "o", prompt: "[[status 400]]", on_error: "return"} AS failed
EVENT completion:async {agent_id: "o", prompt: "[[history]]"} AS h
RETURN [sizes, LENGTH(h.result)]
]=]
    assert.equal("[[1,1,1],7]", value.text(result("STATE sizes = []\n" .. program, { extra = { system = false } })))
  end)
end)

describe("a rate", function()
  it("is kept by waiting", function()
    local program = [[
PARALLEL:
  FOREACH n IN RANGE(6):
    EVENT completion:async {agent_id: "o", prompt: "q{{n}}"} AS r
RETURN 1
]]
    result(program, { extra = { rate = { requests = 2, per = 0.5 } } })
    local list = sent()
    assert.equal(6, #list)
    table.sort(list, function(a, b) return a.at < b.at end)
    assert.is_true(list[6].at - list[1].at >= 0.8)
    assert.is_true(list[5].at - list[1].at >= 0.7)
  end)

  it("is waited for outside the call's time, also by a try after the first", function()
    local reply = result(ask("o", "[[status 503]][[times 1]][[header Retry-After 0]]x") .. "RETURN [r.output, r.attempts, r.duration < 0.5]",
      { extra = { retries = 1, timeout = 0.6, rate = { requests = 1, per = 1 } } })
    assert.equal('["echo: x",2,true]', core.json.encode(reply))
    local failed = result(ask("o", "[[status 503]][[times 1]][[header Retry-After 0]][[delay 0.9]]x", ', on_error: "return"') .. "RETURN r.error.type",
      { extra = { retries = 1, timeout = 0.6, rate = { requests = 1, per = 1 } } })
    assert.equal("timeout", failed)
  end)

  it("counts the tokens that tries may take, and gives back what they did not", function()
    local started = core.loop.clock()
    result(ask("o", "x [[usage 1 1]]") .. ask("o", "y [[usage 1 1]]") .. "RETURN 1", { extra = { max_tokens = 900, memory = false, rate = { tokens = 1400, per = 5 } } })
    assert.is_true(core.loop.clock() - started < 3)
    started = core.loop.clock()
    result(ask("o", "x [[usage 700 700]]") .. ask("o", "y") .. "RETURN 1", { extra = { max_tokens = 900, memory = false, rate = { tokens = 1400, per = 1 } } })
    assert.is_true(core.loop.clock() - started >= 0.9)
  end)

  it("is shared by all agents of a provider", function()
    local given = agents()
    given.o2 = agents().o
    local config = { agents = given, providers = { openai = { rate = { requests = 1, per = 0.4 } } } }
    run.run("PARALLEL:\n  EVENT completion:async {agent_id: \"o\", prompt: \"1\"} AS x\n  EVENT completion:async {agent_id: \"o2\", prompt: \"2\"} AS y\n",
      { config = config, real_time = true })
    local list = sent()
    assert.is_true(math.abs(list[2].at - list[1].at) >= 0.35)
  end)
end)

describe("a schema", function()
  local SHAPE = '{type: "object", properties: {score: {type: "integer"}}, required: ["score"], additionalProperties: false}'

  it("is sent to the server, and a reply that fits is taken", function()
    for _, kind in ipairs(KINDS) do
      assert.equal("5", value.text(result(ask(kind, '[[reply {"score": 5} ]]', ", schema: " .. SHAPE) .. "RETURN r.score")))
    end
    local list = sent()
    assert.equal("json_schema", list[1].body.response_format.type)
    assert.equal("object", list[1].body.response_format.json_schema.schema.type)
    assert.is_true(list[1].body.response_format.json_schema.strict)
    assert.equal("object", list[2].body.output_config.format.schema.type)
    assert.equal("object", list[3].body.format.type)
  end)

  it("that the server cannot hold goes into the prompt", function()
    result(ask("a", '[[reply {"score": 5} ]]', ', schema: {type: "object"}') .. "RETURN 1")
    local body = sent()[1].body
    assert.is_nil(body.output_config)
    assert.truthy(body.messages[1].content:find('{"type":"object"}', 1, true))
  end)

  it("is asked for once more with what was wrong, then the call fails", function()
    local err = failure("o", '[[reply {"score": "high"} ]]', ", schema: " .. SHAPE)
    assert.equal("schema", err.type)
    assert.equal("the reply of `o` does not fit its schema: the reply is no JSON", err.message)
    local list = sent()
    assert.equal(2, #list)
    local messages = list[2].body.messages
    assert.equal('{"score": "high"}', (messages[#messages - 1].content:gsub("%s+$", "")))
    assert.matches("^That does not fit: .*score.*Answer again", messages[#messages].content)
    assert.are_not.equal(list[1].headers["idempotency-key"], list[2].headers["idempotency-key"])
  end)

  it("gives each of the two questions its own time", function()
    local prompt = ('[[delay 0.8]][[reply {"score": "high"} ]]')
    local ended = go(ask("o", prompt, ", try_timeout: 1.5, on_error: \"return\", schema: " .. SHAPE) .. "RETURN [r.error.type, r.attempts]")
    assert.equal('["schema",2]', value.text(ended.result))
  end)

  it("holds for agents of every kind, and the second answer counts", function()
    local asked = {}
    local given = { f = function(request)
      asked[#asked + 1] = request.prompt
      return #asked == 1 and "no idea" or '```json\n{"score": 3}\n```'
    end }
    assert.equal("[3,2]", value.text(result(ask("f", "rate it", ", schema: " .. SHAPE) .. "RETURN [r.score, r.attempts]", { agents = given })))
    assert.truthy(asked[2]:find("the reply is no JSON", 1, true))
    assert.truthy(asked[2]:find("rate it", 1, true))
  end)

  it("that is none is an error before anything is sent", function()
    local err = run.failure(ask("f", "x", ', schema: {type: "objet"}'), { agents = { f = function() return "x" end } })
    assert.equal("type", err.type)
    assert.truthy(err.message:find("schema", 1, true))
  end)
end)

describe("a key", function()
  it("is masked where a server echoes it, also across pieces", function()
    for _, kind in ipairs(KINDS) do
      assert.is_nil(answer(kind, "[[echokey]]"):find(KEY, 1, true))
      local text, records = answer(kind, "[[echokey]][[pieces 12]]", ", stream: true")
      assert.truthy(text:find("[secret]", 1, true))
      for _, piece in ipairs(deltas(records)) do assert.is_nil(piece:find("sk-spec", 1, true)) end
      assert.equal(text, table.concat(deltas(records)))
    end
  end)

  it("is masked in what a server says of a failure, however it is written", function()
    local escaped = KEY:gsub("-", "\\u002d")
    assert.equal("the server's answer is an error: no [secret] here", failure("o", ('[[raw {"error":{"message":"no %s here"}} ]]'):format(escaped)).message)
    assert.equal("the server's answer is an error: no [secret] here", failure("l", ('[[raw {"error":"no %s here"} ]]'):format(KEY)).message)
    local err = failure("o", ('[[raw {"error":{"message":"%s"}} ]]'):format(("x"):rep(290) .. KEY))
    assert.is_nil(err.message:find("sk-", 1, true))
  end)

  it("is in no error, event, trace or store", function()
    local folder = command.folder {
      ["p.dsl"] = ask("o", "[[echokey]]") .. ask("o", "[[status 400]][[echokey]]", ', on_error: "return"') .. ask("bad", "x", ', on_error: "return"') .. "RETURN r.error",
      ["orchlua.config.lua"] = ([[return { agents = {
        o = { openai = { base_url = %q, model = "m", api_key_env = "SPEC_KEY", headers = { ["X-Api-Token"] = "tok-987654321" } }, stream = true },
        bad = { openai = { base_url = %q, model = "m", api_key_env = "SPEC_OTHER" }, retries = 0 } } }]]):format(server.url .. "/v1", server.url .. "/v1"),
    }
    local secret_other = "sk-other-5555555555"
    local out = command.shell(("SPEC_KEY=%s SPEC_OTHER=%s %s p.dsl --output events --store %s/s.db --run-id k; %s trace k --store %s/s.db; %s show k --store %s/s.db --output json; cat s.db s.db-wal 2>/dev/null")
      :format(KEY, secret_other, command.path, folder, command.path, folder, command.path, folder), folder)
    assert.truthy(out.out:find("run:completed", 1, true))
    for _, secret in ipairs { KEY, secret_other, "tok-987654321" } do
      assert.is_nil(out.out:find(secret, 1, true))
      assert.is_nil(out.err:find(secret, 1, true))
    end
    command.remove(folder)
  end)

  it("that is not there is an error that names its variable", function()
    local given = { o = { openai = { base_url = server.url .. "/v1", model = "m", api_key_env = "ORCHLUA_SPEC_NO_KEY" } } }
    assert.equal("the environment has no key: ORCHLUA_SPEC_NO_KEY is not set", failure("o", "x", nil, { agents = given }).message)
    assert.equal(0, #sent())
  end)
end)
