local command = require "spec.support.command"
local core = require "orchlua.core"
local orchlua = require "orchlua"
local run = require "spec.support.run"
local standin = require "spec.support.models"

local value = core.value

local server, key_file

setup(function()
  server, key_file = standin.start(), standin.key_file "sk-budget-spec"
end)

teardown(function()
  server.stop()
  os.remove(key_file)
end)

before_each(function() server.clear() end)

-- A model `m` whose tries may take 500 tokens out; in money, a token is a thousandth.
local function agents(extra)
  local m = { openai = { base_url = server.url .. "/v1", model = "m", max_tokens = 500, api_key_file = key_file }, system = false, memory = false, retries = 0, timeout = 10,
    price = { input = 1000, output = 1000 } }
  for name, setting in pairs(extra or {}) do m[name] = setting ~= "none" and setting or nil end
  return { m = m, f = function() return "free" end, both = function()
    local first = assert(orchlua.ask("m", "one [[usage 10 5]]"))
    local second, err = orchlua.ask("m", "two [[usage 10 5]]")
    return first .. (second or err.type)
  end }
end

local function go(text, options)
  options = options or {}
  local ended, records = run.run(text, { agents = agents(options.extra), real_time = true, input = options.input, folder = options.folder })
  return ended, records
end

local function ask(prompt, fields, agent)
  return ('EVENT completion:async {agent_id: "%s", prompt: "%s"%s} AS r\n'):format(agent or "m", prompt, fields or "")
end

describe("a budget", function()
  it("of calls counts every try, and stops the next one before it is sent", function()
    local ended = go("BUDGET {calls: 2}\n" .. ask("a") .. ask("b") .. ask("c") .. "RETURN 1")
    assert.equal("budget", ended.error.type)
    assert.equal("the budget of 2 calls does not allow to ask `m`: none is left", ended.error.message)
    assert.equal(2, #server.requests())
    ended = go("BUDGET {calls: 2}\n" .. ask("[[status 500]][[header Retry-After 0]]", ", retries: 5, on_error: \"return\"") .. "RETURN [r.error.type, r.attempts]")
    assert.equal('["budget",2]', value.text(ended.result))
    assert.equal(4, #server.requests())
  end)

  it("of calls counts agents of every kind", function()
    local ended = go("BUDGET {calls: 2}\n" .. ask("a", "", "f") .. ask("b", "", "f") .. ask("c", "", "f"))
    assert.equal("budget", ended.error.type)
  end)

  it("of tokens reserves the worst case, and charges what was taken", function()
    local ended = go("BUDGET {tokens: 900}\n" .. ask("a [[usage 10 20]]") .. ask("b [[usage 10 20]]") .. "RETURN 1")
    assert.equal("completed", ended.status)
    assert.same({ 20, 40 }, { ended.usage.input, ended.usage.output })
    assert.same({ 0, 0 }, { ended.usage.reserved.input, ended.usage.reserved.output })
    ended = go("BUDGET {tokens: 900}\n" .. ask("a [[usage 10 500]]") .. ask("b"))
    assert.equal("budget", ended.error.type)
    assert.equal(3, #server.requests())
  end)

  it("of tokens reserves what is sent as the limit, by whichever of its names", function()
    local two = { openai = { base_url = server.url .. "/v1", model = "m", max_tokens = 10, max_completion_tokens = 100000 } }
    local ended = run.run("BUDGET {tokens: 2000}\n" .. ask("a"), { agents = { m = two }, real_time = true })
    assert.equal("budget", ended.error.type)
    assert.equal(0, #server.requests())
  end)

  it("holds under fan-out: what is in flight counts as spent", function()
    local ended = go([[
BUDGET {tokens: 2000}
STATE refused = 0
PARALLEL:
  FOREACH n IN RANGE(20):
    TRY:
      EVENT completion:async {agent_id: "m", prompt: "q"} AS r
    CATCH e:
      IF e.type == "budget": UPDATE refused = refused + 1
RETURN refused
]])
    local sent = #server.requests()
    assert.is_true(sent >= 1 and sent <= 3, tostring(sent))
    assert.equal(20 - sent, ended.result)
  end)

  it("of cost is in the prices of the configuration, and needs them", function()
    local ended = go("BUDGET {cost: 0.75}\n" .. ask("a [[usage 100 100]]") .. ask("b"))
    assert.equal("budget", ended.error.type)
    assert.truthy(ended.error.message:find("and 0.55 is left", 1, true), ended.error.message)
    ended = go("BUDGET {cost: 100}\n" .. ask("a"), { extra = { price = "none" } })
    assert.equal("the budget limits the cost, and nobody knows what `m` costs", ended.error.message)
  end)

  it("of seconds cuts off what is in flight, and stops what comes after", function()
    local started = core.loop.clock()
    local ended = go('BUDGET {seconds: 0.4}\n' .. ask("[[delay 5]]", ', on_error: "return"') .. "STATE first = r.error.type\nTRY:\n  " .. ask("b")
      .. "CATCH e:\n  RETURN [first, e.type]")
    assert.equal('["budget","budget"]', value.text(ended.result))
    assert.is_true(core.loop.clock() - started < 3)
    assert.equal(1, #server.requests())
  end)

  it("charges a try whose outcome nobody knows with all that it may have taken", function()
    local ended = go(ask("[[delay 5]]", ', timeout: 0.2, on_error: "return"') .. "RETURN r.usage.output")
    assert.equal(500, ended.result)
    ended = go(ask("[[status 504]]", ', on_error: "return"') .. "RETURN r.usage.output")
    assert.equal(500, ended.result)
    ended = go(ask("abc [[break 1]][[pieces 3]]", ', stream: true, on_error: "return"') .. "RETURN r.usage.output")
    assert.equal(500, ended.result)
  end)

  it("charges nothing for what the server turned down, or never got", function()
    local ended = go(ask("[[status 503]]", ', on_error: "return"') .. "RETURN r.usage")
    assert.equal('{"tokens":0,"input":0,"output":0,"cost":0}', value.text(ended.result))
    local nobody = { openai = { base_url = "http://127.0.0.1:1/v1", model = "m" } }
    ended = run.run(ask("x", ', on_error: "return"') .. "RETURN r.usage.tokens", { agents = { m = nobody }, real_time = true, defaults = { retries = 0 } })
    assert.equal(0, ended.result)
  end)

  it("charges the whole reservation where the server says no usage", function()
    assert.equal(500, go(ask("[[nousage]]") .. "RETURN r.usage.output").result)
  end)

  it("counts both answers when one was of the wrong shape", function()
    local ended = go(ask("[[usage 5 5]] x", ', schema: {type: "object"}, on_error: "return"') .. "RETURN [r.error.type, r.usage.tokens > 10, r.attempts]")
    assert.equal('["schema",true,2]', value.text(ended.result))
  end)

  it("counts what agents ask others inside their calls", function()
    local ended = go(ask("q", "", "both") .. "RETURN r.output")
    assert.equal("completed", ended.status, tostring(ended.error))
    assert.same({ 20, 10, 3 }, { ended.usage.input, ended.usage.output, ended.usage.calls })
    ended = go("BUDGET {calls: 2}\n" .. ask("q", "", "both") .. "RETURN r.output")
    assert.truthy(ended.result:find("budget$"))
    assert.equal(3, #server.requests())
  end)

  it("is replaced by the program's next one, and is data: it may come from an input", function()
    assert.equal("completed", go("BUDGET {calls: 1}\n" .. ask("a") .. "BUDGET {calls: 2}\n" .. ask("b")).status)
    assert.equal("budget", go("INPUT most\nBUDGET most\n" .. ask("a"), { input = { most = orchlua.object { { "calls", 0 } } } }).error.type)
  end)

  it("that makes no sense is an error", function()
    for given, message in pairs {
      ['"5"'] = "a budget is {tokens: …, cost: …, calls: …, seconds: …}", ["{token: 1}"] = "a budget has no `token`", ["{tokens: -1}"] = "`tokens` of a budget is a number from 0",
    } do
      local err = go("BUDGET " .. given).error
      assert.same({ "type", message }, { err.type, err.message })
    end
  end)

  it("is shared out to sub-runs, which are charged to their parent", function()
    local folder = command.folder { ["child.dsl"] = ask("c [[usage 100 100]]") .. "RETURN 1", ["p.dsl"] =
      'EVENT orchestration:run {file: "child.dsl", budget: {tokens: 900}} AS a\nTRY:\n  EVENT orchestration:run {file: "child.dsl"} AS b\nCATCH e:\n  RETURN e.type\n',
      ["orchlua.config.lua"] = ("return { agents = { m = { openai = { base_url = %q, model = 'm', max_tokens = 500, api_key_file = %q } } } }"):format(server.url .. "/v1", key_file) }
    local out = command.shell(command.path .. " p.dsl --budget tokens=950 --store :memory: --output json", folder)
    local shown = assert(core.json.decode(out.out), out.err)
    assert.equal("completed", shown.status, out.err)
    assert.equal(400, shown.usage.tokens)
    out = command.shell(command.path .. " p.dsl --budget tokens=900 --store :memory: --output json", folder)
    shown = assert(core.json.decode(out.out), out.err)
    assert.same({ "budget", 200 }, { shown.result, shown.usage.tokens })
    command.remove(folder)
  end)
end)
