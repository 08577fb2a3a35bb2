local built_in = require "orchlua.built_in"
local command = require "spec.support.command"
local core = require "orchlua.core"
local handlers = require("orchlua.run.events").handlers
local run = require "spec.support.run"

local value = core.value

describe("entities", function()
  it("are created, updated, read, found and deleted", function()
    assert.equal('{"a":1,"b":3,"c":4}', run.text [[
EVENT state:entity:create {type: "t", id: "x", properties: {a: 1, b: 2}}
EVENT state:entity:update {type: "t", id: "x", properties: {b: 3, c: 4}} AS e
RETURN e.properties
]])
    assert.equal("[null,true,false]", run.text [[
EVENT state:entity:get {id: "none"} AS none
EVENT state:entity:update {id: "some"}
EVENT state:entity:delete {id: "some"} AS was
EVENT state:entity:delete {id: "some"} AS again
RETURN [none, was, again]
]])
    assert.equal('["2","3"]', run.text [[
FOREACH i IN RANGE(4):
  EVENT state:entity:create {type: "n", id: i, properties: {big: i > 1}}
EVENT state:entity:query {type: "n", where: {big: true}} AS found
RETURN MAP(found, e => e.id)
]])
    assert.equal("orchestration", run.text 'EVENT state:entity:update {id: "x"} AS e\nRETURN e.type')
  end)

  it("that exist are not created again", function()
    local e = run.failure 'EVENT state:entity:create {id: "x"}\nEVENT state:entity:create {id: "x"}'
    assert.equal("entity", e.type)
    assert.equal(2, e.line)
    assert.is_nil(e.agent_id)
  end)

  it("hold a copy, as PERSIST leaves it", function()
    assert.equal('[{"a":1},{"a":5}]', run.text [[
STATE data = {a: 1}
PERSIST note {key: "k", data: data}
UPDATE data.a = 5
EVENT state:entity:get {type: "note", id: "k"} AS e
RETURN [e.properties, data]
]])
  end)

  it("that PERSIST makes have properties, an object", function()
    assert.equal("{}", run.text 'PERSIST note {key: "k"}\nEVENT state:entity:get {type: "note", id: "k"} AS e\nRETURN e.properties')
    assert.equal("`data` of PERSIST is an object", run.failure 'PERSIST note {key: "k", data: [1]}'.message)
  end)
end)

describe("built-in events", function()
  it("are those that have a handler", function()
    local handled = {}
    for name in pairs(handlers) do handled[name] = true end
    handled["state:entity:replace"] = nil
    assert.same(built_in.events, handled)
  end)

  it("refuse a field that they do not have", function()
    local function refused(event, data)
      local e = run.failure(("STATE data = %s\nEVENT %s data"):format(data, event))
      return ("%d %s: %s; %s"):format(e.line, e.type, e.message, e.hint)
    end
    assert.equal("2 type: state:entity:create has no field `properites`; did you mean `properties`?", refused("state:entity:create", '{id: "1", properites: {}}'))
    assert.equal("2 type: state:entity:query has no field `were`; did you mean `where`?", refused("state:entity:query", '{type: "t", were: {a: 1}}'))
    assert.equal("2 type: state:entity:query has no field `properties`; did you mean `where`?", refused("state:entity:query", "{properties: {a: 1}}"))
    assert.equal("2 type: state:entity:get has no field `note`; it has type, id", refused("state:entity:get", '{id: "1", note: 1}'))
    assert.equal("2 type: orchestration:run has no field `inputs`; did you mean `input`?", refused("orchestration:run", '{file: "c.dsl", inputs: {}}'))
  end)

  it("may have the fields that the runtime reads", function()
    assert.equal("x", run.text 'EVENT state:entity:update {id: "x", timeout: 3, retries: 1, task_id: "t", on_error: "raise"} AS e\nRETURN e.id')
  end)
end)

describe("PERSIST and AWAIT", function()
  it("refuse a field that they do not have, and lose nothing", function()
    assert.equal("red", run.text [[
PERSIST decision {key: "colour", data: {value: "red"}}
STATE data = {key: "colour", properties: {value: "blue"}}
TRY:
  PERSIST decision data
CATCH e:
  UPDATE data = e.message
EVENT state:entity:get {type: "decision", id: "colour"} AS e
RETURN e.properties.value
]])
    local e = run.failure 'STATE data = {key: "k", properties: {}}\nPERSIST kind data'
    assert.equal("PERSIST has no field `properties`", e.message)
    assert.equal("did you mean `data`?", e.hint)
    assert.equal("AWAIT has no field `1`", run.failure 'AWAIT {"{{1}}": 2} AS m'.message)
  end)
end)

describe("events of the configuration", function()
  local events = {
    ["score:text"] = function(data, about) return { length = #data.text, key = about.idempotency_key } end,
    ["bad:one"] = function() error("no luck", 0) end,
    ["ask:*"] = { agent = "echo" },
  }
  local agents = { echo = function(request) return "<" .. request.prompt .. ">" end }

  it("handled in Lua answer with a value of their own", function()
    assert.equal('{"key":"seed-1/1","length":3}', run.text('EVENT score:text {text: "abc"} AS s\nRETURN s', { events = events, agents = agents }))
    local e = run.failure('EVENT bad:one {} AS s', { events = events, agents = agents })
    assert.equal("no luck", e.message)
    assert.equal("failed", run.text('TRY:\n  EVENT bad:one {} AS s\nCATCH:\n  RETURN "failed"', { events = events, agents = agents }))
  end)

  it("handed to an agent answer with a reply, also to AWAIT", function()
    assert.equal("<hi>", run.text('EVENT ask:it {prompt: "hi"} AS r\nRETURN r.output', { events = events, agents = agents }))
    assert.equal("<hi>", run.text('EVENT ask:it {prompt: "hi"}\nAWAIT r FROM echo\nRETURN r.output', { events = events, agents = agents }))
  end)

  it("unknown are published, and awaited an error", function()
    local r, records = run.run("EVENT some:thing {a: 1}\nEVENT some:thing {a: 2}")
    assert.equal("completed", r.status)
    local types = {}
    for _, record in ipairs(records) do types[#types + 1] = record.type end
    assert.equal("run:started warning some:thing some:thing run:completed", table.concat(types, " "))
    assert.equal("event", run.failure("EVENT some:thing {} AS x").type)
  end)

  it("that the policy does not allow are refused, with the rule", function()
    local policy = { events = { "agent:*" }, agents = { "a*" } }
    assert.matches("agent:%*", run.failure('EVENT state:entity:get {id: "x"} AS e', { policy = policy }).message)
    assert.equal("policy", run.failure('EVENT state:entity:get {id: "x"} AS e', { policy = policy }).type)
    assert.equal("policy", run.failure('EVENT completion:async {agent_id: "b", prompt: ""} AS e', { agents = agents, policy = { agents = { "a*" } } }).type)
  end)

  it("functions are called by name", function()
    local functions = { SCORE = function(text) return #text end, GENERATE_TASKS = function(n) return { "only", n } end }
    assert.equal("5", run.text('RETURN SCORE("hello")', { functions = functions }))
    assert.equal('["only",3]', run.text("RETURN GENERATE_TASKS(3)", { functions = functions }))
  end)
end)

describe("optimization:async", function()
  it("says so when there is too little to learn from", function()
    assert.equal("false", run.text 'EVENT optimization:async {current_performance: []} AS r\nRETURN r.success')
  end)
end)

describe("SEND, SHARE", function()
  it("ask an agent without waiting", function()
    local told = {}
    local agents = { ["*"] = function(request) told[#told + 1] = request.agent_id .. ": " .. request.prompt return "" end }
    run.result('STATE findings = [1]\nSEND scribe "note {{findings}}"\nSEND {to: reader, message: "hi"}\nSHARE findings WITH reviewer\nAWAIT a\nAWAIT b\nAWAIT c', { agents = agents })
    assert.same({ "scribe: note [1]", "reader: hi", 'reviewer: {"findings":[1]}' }, told)
  end)
end)

describe("the command", function()
  local folder
  after_each(function() command.remove(folder) end)

  it("runs sub-runs, whose result is the answer", function()
    folder = command.folder {
      ["main.dsl"] = 'EVENT orchestration:run {file: "sub.dsl", input: {n: 4}} AS r\nRETURN r.square',
      ["sub.dsl"] = "INPUT n\nWAIT 0.01\nRETURN {square: n * n}",
      ["bad.dsl"] = 'TRY:\n  EVENT orchestration:run {file: "fails.dsl"} AS r\nCATCH e:\n  RETURN e.type',
      ["fails.dsl"] = "STATE x = 1 / 0",
      ["endless.dsl"] = 'EVENT orchestration:run {file: "endless.dsl"} AS r',
    }
    assert.equal("16\n", command.run("main.dsl --quiet", folder).out)
    assert.equal("arithmetic\n", command.run("bad.dsl --quiet", folder).out)
    local r = command.run("endless.dsl --quiet", folder)
    assert.equal(1, r.status)
    assert.matches("nested more than 20 deep", r.err)
    for _, path in ipairs { "/etc/passwd", "../main.dsl", "a/../../b.dsl" } do
      local file = io.open(folder .. "/out.dsl", "w")
      file:write(('EVENT orchestration:run {file: "%s"} AS r'):format(path))
      file:close()
      assert.matches("beside its own program", command.run("out.dsl --quiet", folder).err)
    end
  end)

  it("in virtual time takes answers from outside in the order sent, and times them out in real seconds", function()
    folder = command.folder {
      ["orchlua.config.lua"] = [[return { agents = {
        slow = { exec = { "sh", "-c", "sleep 0.3; echo slow" } }, fast = { exec = { "echo", "fast" } },
        hangs = { exec = { "sh", "-c", "echo still busy >&2; sleep 100" } } } }]],
      ["order.dsl"] = [[
STATE order = []
PARALLEL:
  FOREACH who IN ["slow", "fast"]:
    EVENT completion:async {agent_id: who, prompt: ""} AS r
    APPEND order r.output
RETURN {order: order, elapsed: ROUND(ELAPSED(), 3)}
]],
      ["late.dsl"] = 'EVENT completion:async {agent_id: "hangs", prompt: "", timeout: 0.3, retries: 0} AS r',
    }
    assert.equal('{"order":["slow","fast"],"elapsed":0}', (command.run("order.dsl --quiet --virtual-time", folder).out:gsub("%s", "")))
    local r = command.run("late.dsl --quiet --virtual-time", folder)
    assert.equal(1, r.status)
    assert.matches("gave no answer in 0%.3 s: still busy", r.err)
  end)
end)

describe("a run's records", function()
  it("are numbered, timed, and told of its branches", function()
    local _, records = run.run("PARALLEL:\n  BRANCH one:\n    TRACK {a: 1}")
    assert.equal("one", records[2].branch)
    for i, record in ipairs(records) do assert.equal(i, record.seq) end
    assert.equal(946684800, math.floor(records[1].time))
    assert.equal('{"a":1}', value.text(records[2].data))
  end)
end)

describe("fields of an event's data", function()
  it("about replies are a Lua handler's own", function()
    local heard
    local events = { ["db:make"] = function(data)
      heard = data
      return { ok = true }
    end }
    assert.equal("true", run.text('EVENT db:make {schema: "public", stream: "x"} AS r\nRETURN r.ok', { events = events }))
    assert.same({ "public", "x" }, { heard.schema, heard.stream })
  end)

  it("are the runtime's however few there are", function()
    assert.equal("type", run.failure('EVENT completion:async {agent_id: "a", timeout: "soon"}', { agents = { a = function() return 1 end } }).type)
    assert.equal("type", run.failure('EVENT db:make {timeout: 0} AS r', { events = { ["db:make"] = function() return 1 end } }).type)
  end)
end)
