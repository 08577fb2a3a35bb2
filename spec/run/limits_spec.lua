-- What a run may take of the machine: each limit gives an error of type `limit` that
-- names it, and never takes another run with it.

local command = require "spec.support.command"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local orchlua = require "orchlua"
local run = require "spec.support.run"
local standin = require "spec.support.models"

local MIB = 1024 * 1024

local function limited(limits, agents)
  return { config = { limits = limits, agents = agents or { ["*"] = function(request) return request.prompt end } } }
end

-- The error that a program's TRY catches, and what the program goes on to do.
local function caught(body, limits, agents)
  local text = ("STATE list = []\nTRY:\n  %s\nCATCH e:\n  UPDATE list = []\n  RETURN e\nRETURN null"):format(body:gsub("\n", "\n  "))
  local e = run.result(text, limited(limits, agents))
  assert.equal("limit", e.type)
  return e.message
end

describe("the memory of a run", function()
  local GROWING = {
    ["small objects"] = "WHILE true:\n  APPEND list {n: 1}",
    ["texts that grow"] = 'STATE s = "0123456789"\nWHILE true:\n  UPDATE s = s + s\n  APPEND list s',
    ["arrays that grow"] = "UPDATE list = [1, 2]\nWHILE true:\n  UPDATE list = list + list",
    ["texts of a template"] = 'STATE s = JOIN(MAP(RANGE(9999), x => "0123456789"), "")\nWHILE true:\n  APPEND list "{{s}}{{LENGTH(list)}}"',
    replies = 'WHILE true:\n  EVENT completion:async {agent_id: "long", prompt: ""} AS r\n  APPEND list r.output',
    ["replies of an agent that writes JSON"] = 'WHILE true:\n  EVENT completion:async {agent_id: "json", prompt: ""} AS r\n  APPEND list r.result',
    messages = 'WHILE NOW() != "":\n  SEND long ""\n  WAIT 0.1\nAWAIT m FROM long',
  }

  for what, body in pairs(GROWING) do
    it("has a ceiling for " .. what, function()
      local message = caught(body, { memory = 8 * MIB }, {
        long = function() return ("x"):rep(100000) .. math.random() end,
        json = function() return "[" .. ("[1],"):rep(20000) .. "1]" end,
      })
      assert.equal("the run holds more than 8 MiB (limits.memory)", message)
    end)
  end

  it("is what it holds, not what it has thrown away", function()
    assert.equal(20000, run.result([[
STATE kept = []
STATE n = 0
WHILE n < 20000:
  UPDATE kept = MAP(RANGE(100), x => {n: x, text: "text {{x}} {{n}}"})
  UPDATE n = n + 1
RETURN n
]], limited { memory = 8 * MIB, steps = 1e9 // 1 | 0 }))
  end)

  it("that a single statement asks for far beyond the ceiling stops the run, and no other", function()
    local program = assert(orchlua.compile("STATE l = MAP(RANGE(3000000), x => {a: x, b: [x]})", { name = "greedy.dsl" }))
    local other = assert(orchlua.compile("WAIT 1\nRETURN 1", { name = "other.dsl" }))
    local rt = orchlua.runtime { virtual_time = true, max_memory = 64 * MIB }
    local modest, greedy = rt:start(other, { run_id = "modest" }), rt:start(program, { run_id = "greedy" })
    rt:loop()
    rt:close()
    assert.equal("stopped", greedy.status)
    assert.equal("limit", greedy.error.type)
    assert.matches("far more memory than 64 MiB (limits.memory)", greedy.error.message, 1, true)
    assert.equal("completed", modest.status)
  end)

  it("is the run's own: others beside it may hold what they like", function()
    local text = "STATE l = []\nWHILE LENGTH(l) < 100000:\n  APPEND l {n: LENGTH(l)}\n  IF LENGTH(l) % 1000 == 0:\n    WAIT 1\nRETURN LENGTH(l)"
    local program = assert(orchlua.compile(text, { name = "large.dsl" }))
    local rt = orchlua.runtime { virtual_time = true, max_memory = 40 * MIB }
    local runs = {}
    for i = 1, 5 do runs[i] = rt:start(program, { run_id = "r" .. i }) end
    rt:loop()
    rt:close()
    for i = 1, 5 do assert.equal(100000, runs[i].result, tostring(runs[i].error)) end
  end)
end)

describe("the size of an answer", function()
  local agents = { long = function() return ("x"):rep(2000) end }

  it("is limited, whoever answers", function()
    local message = caught('EVENT completion:async {agent_id: "long", prompt: ""} AS r', { reply = 1999 }, agents)
    assert.equal("the answer of `long` is larger than 1.952 KiB (limits.reply)", message)
    assert.is_nil(run.result('EVENT completion:async {agent_id: "long", prompt: ""} AS r\nRETURN r', limited({ reply = 2000 }, agents)).error)
  end)

  it("is limited for what a failure says, too", function()
    local e = run.failure('EVENT completion:async {agent_id: "a", prompt: ""} AS r', { agents = { a = function() error(("é"):rep(2 * MIB), 0) end } })
    assert.equal("agent", e.type)
    assert.is_true(#e.message < MIB + 8)
    assert.is_truthy(utf8.len(e.message))
  end)

  it("of a program is limited by what is less, its own `max_reply` or the run's limit", function()
    local function message(reply, max_reply)
      return caught('EVENT completion:async {agent_id: "p", prompt: ""} AS r', { reply = reply },
        { p = { exec = { "sh", "-c", "printf %0200d 1" }, max_reply = max_reply } })
    end
    assert.matches("more than 100 bytes (limits.reply)", message(100, nil), 1, true)
    assert.matches("more than 100 bytes (limits.reply)", message(100, 1000), 1, true)
    assert.matches("more than 50 bytes (max_reply)", message(100, 50), 1, true)
  end)

  it("of a server is limited, and the error names the limit", function()
    local server, key_file = standin.start(), standin.key_file "sk-limits-spec"
    finally(function()
      server.stop()
      os.remove(key_file)
    end)
    for _, fields in ipairs { "", ", stream: true" } do
      for _, limit in ipairs { "limits.reply", "max_reply" } do
        local message = caught('EVENT completion:async {agent_id: "m", prompt: "[[big 5000]]"' .. fields .. "} AS r", { reply = 2000 },
          { m = { openai = { base_url = server.url .. "/v1", model = "m", api_key_file = key_file }, max_reply = limit == "max_reply" and 1000 or nil, retries = 0 } })
        assert.matches("is larger than %d000 bytes.*%(" .. limit .. "%)$", message)
      end
    end
  end)
end)

describe("the number of branches", function()
  it("is limited before one is started", function()
    local message = caught("PARALLEL:\n  FOREACH i IN RANGE(11):\n    APPEND list i", { branches = 10 })
    assert.equal("this would make more than 10 branches at a time (limits.branches)", message)
    assert.equal(10, run.result("STATE list = []\nPARALLEL:\n  FOREACH i IN RANGE(10):\n    APPEND list i\nRETURN LENGTH(list)", limited { branches = 10 }))
  end)

  it("counts those that are alive", function()
    local program = "STATE n = 0\nFOREACH k IN RANGE(5):\n  PARALLEL(limit: 4):\n    FOREACH i IN RANGE(20):\n      UPDATE n = n + 1\nRETURN n"
    assert.equal(100, run.result(program, limited { branches = 4 }))
    local nested = "PARALLEL:\n  FOREACH i IN RANGE(3):\n    PARALLEL:\n      FOREACH j IN RANGE(3):\n        WAIT 1"
    assert.equal("limit", run.failure(nested, limited { branches = 11 }).type)
    assert.equal("completed", run.run(nested, limited { branches = 12 }).status)
  end)
end)

describe("the number of requests in flight", function()
  it("is limited", function()
    local message = caught('WHILE true:\n  EVENT completion:async {agent_id: "a", prompt: ""}\n  APPEND list 1', { requests = 20 })
    assert.equal("more than 20 requests in flight (limits.requests)", message)
    assert.equal(20, run.result('STATE n = 0\nTRY:\n  WHILE true:\n    SEND a ""\n    UPDATE n = n + 1\nCATCH:\n  RETURN n', limited { requests = 20 }))
  end)

  it("counts none that was answered", function()
    assert.equal(50, run.result('STATE n = 0\nWHILE n < 50:\n  SEND a ""\n  AWAIT r FROM a:\n    UPDATE n = n + 1\nRETURN n', limited { requests = 1 }))
  end)
end)

describe("a row of the journal", function()
  local folder
  before_each(function() folder = command.folder {} end)
  after_each(function() command.remove(folder) end)

  local function result(text, config)
    local program = assert(orchlua.compile(text, { name = "row.dsl", config = config }))
    local rt = assert(orchlua.runtime { store = folder .. "/s.db", config = config })
    local started = assert(rt:start(program))
    rt:loop()
    rt:close()
    assert.equal("completed", started.status, tostring(started.error))
    return core.json.encode(started.result)
  end

  it("is limited, for progress, events and answers", function()
    local config = { limits = { row = 1000 }, agents = { long = function() return ("x"):rep(1001) end }, functions = { LONG = function() return ("x"):rep(1001) end } }
    for body, message in pairs {
      ['TRACK {text: LONG()}'] = "LONG gave a value larger than 1000 bytes",
      ['TRACK {list: RANGE(600)}'] = "the data of `track` is larger than 1000 bytes",
      ['EVENT own:event {list: RANGE(600)}'] = "the data of `own:event` is larger than 1000 bytes",
      ['EVENT completion:async {agent_id: "long", prompt: ""} AS r'] = "the answer of `long` is larger than 1000 bytes",
    } do
      assert.equal(('["limit","%s (limits.row)"]'):format(message),
        result("TRY:\n  " .. body .. "\nCATCH e:\n  RETURN [e.type, e.message]\nRETURN 1", config))
    end
    assert.equal("1", result("TRACK {list: RANGE(200)}\nRETURN 1", config))
  end)

  it("counts what a value shares each time, as its JSON does", function()
    local config = { limits = { row = 1000 }, agents = { z = function() return "fine" end } }
    local unfolding = "STATE a = [1]\nFOREACH i IN RANGE(10):\n  UPDATE a = [a, a]\n"
    for body, name in pairs { ["TRACK {x: a}"] = "track", ["EVENT own:event {x: a}"] = "own:event", ['EVENT completion:async {agent_id: "z", x: a} AS r'] = "z" } do
      assert.equal(('["limit","the data of `%s` is larger than 1000 bytes (limits.row)"]'):format(name),
        result(unfolding .. "TRY:\n  " .. body .. "\nCATCH e:\n  RETURN [e.type, e.message]\nRETURN 1", config))
    end
  end)

  it("is limited for an entity, which no update makes larger than it may be", function()
    local config = { limits = { row = 1000 } }
    local program = 'FOREACH i IN RANGE(40):\n  STATE p = {}\n  UPDATE p["a{{i}}"] = "01234567890123456789012345678901234567ü9"\n  %s\n'
    local without = program:format 'EVENT state:entity:update {id: "e", properties: p}'
    local kept = 'EVENT state:entity:get {id: "e"} AS e\nRETURN LENGTH(e.properties)'
    assert.equal("17", result(without .. kept, config))
    local warned = command.shell("sqlite3 s.db \"SELECT DISTINCT name, body FROM journal WHERE kind = 'event'\"", folder).out
    assert.equal('warning|"the entity orchestration/e would be larger than 1000 bytes, and is left as it was (limits.row)"\n', warned)
    local with = program:format('TRY:\n    EVENT state:entity:update {id: "e", properties: p} AS u\n  CATCH err:\n    RETURN [err.type, err.message]')
    assert.equal('["limit","the entity orchestration/e would be larger than 1000 bytes, and is left as it was (limits.row)"]', result(with, config))
    -- One that fits again, and one that is made anew.
    assert.equal("18", result('EVENT state:entity:update {id: "e", properties: {b: 1}}\n' .. kept, config))
    assert.equal("17", result('EVENT state:entity:delete {id: "e"}\n' .. without .. kept, config))
  end)

  it("is limited for a signal, which is then refused", function()
    local config = { limits = { row = 1000 } }
    local rt = assert(orchlua.runtime { store = folder .. "/s.db", config = config })
    local waiting = assert(rt:start(assert(orchlua.compile("AWAIT x FROM person\nRETURN x.output", { name = "s.dsl" }))))
    local ok, err = rt:signal(waiting.id, "person", ("x"):rep(1001))
    assert.is_nil(ok)
    assert.equal("limit", err.type)
    assert.is_true(rt:signal(waiting.id, "person", "yes"))
    rt:loop()
    rt:close()
    assert.equal("yes", waiting.result)
  end)
end)

describe("a string and an array", function()
  it("have a size", function()
    assert.equal("a string longer than 256 MiB", caught('STATE s = "0123456789abcdef"\nWHILE true:\n  UPDATE s = s + s', { memory = 4096 * MIB }))
    assert.equal("an array of more than 10 million elements", caught("UPDATE list = [1]\nWHILE true:\n  UPDATE list = list + list", { memory = 4096 * MIB }))
  end)
end)

describe("the command", function()
  it("takes a size, keeps it with the run, and takes a larger one to go on", function()
    local folder = command.folder { ["p.dsl"] = "STATE l = []\nWHILE LENGTH(l) < 200000:\n  APPEND l {n: 1}\nRETURN LENGTH(l)" }
    local function orchlua_with(arguments) return command.shell(("%s %s --store %s/s.db --quiet"):format(command.path, arguments, folder), folder) end
    local out = orchlua_with "p.dsl --run-id r --max-memory 4m"
    assert.equal(1, out.status)
    assert.matches("p.dsl:2:%d+: error: the run holds more than 4 MiB %(limits.memory%)", out.err)
    assert.matches("raise %-%-max%-memory", out.err)
    assert.equal(1, orchlua_with("resume r").status)
    out = orchlua_with "resume r --max-memory 1G"
    assert.equal("200000", out.out:match "%d+", out.err)
    assert.equal(2, orchlua_with("p.dsl --max-memory lots").status)
    command.remove(folder)
  end)
end)

describe("an error of a limit", function()
  it("is an error like others", function()
    local limits = require "orchlua.run.limits"
    assert.is_true(errors.is(limits.reached("row", "too much")))
    assert.equal("1 GiB", limits.size(1024 * MIB))
    assert.equal("512 bytes", limits.size(512))
  end)
end)
