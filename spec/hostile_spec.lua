-- No input crashes a run or takes another branch with it: agents that misbehave in
-- every way, and replies of any bytes.

local command = require "spec.support.command"
local core = require "orchlua.core"

-- Seconds that no other process on the machine sleeps.
local LONG = "300." .. os.time()

local CONFIG = ([[
local orchlua = require "orchlua"
local function deep(n) return ("["):rep(n) .. ("]"):rep(n) end
return { agents = {
  good = function() return "fine" end,
  huge = function() return ("x"):rep(100 * 1024 * 1024) end,
  deep_json = function() return deep(100000) end,
  deep_table = function() local t = {} for _ = 1, 100000 do t = { t } end return t end,
  cyclic = function() local t = {} t.t = t return t end,
  invalid = function() return "\255\254\0{\"a\":" end,
  raises_table = function() error({ odd = true }) end,
  raises_nil = function() error(nil) end,
  yields = function() coroutine.yield() return "never" end,
  nan = function() return { a = 0 / 0 } end,
  flood = { exec = { "sh", "-c", "yes" }, max_reply = 100000 },
  dies = { exec = { "sh", "-c", "kill -9 $$" } },
  hangs = { exec = { "sleep", "LONG" } },
  stubborn = { exec = { "sh", "-c", "trap '' TERM; while true; do sleep 0.1; done" } },
  closes = { exec = { "sh", "-c", "exec 0<&- 1>&-; sleep 0.2" } },
  orphans = { exec = { "sh", "-c", "sleep LONG & echo left one behind" } },
  missing = { exec = { "./no-such-program" } },
  refused = { http = "http://127.0.0.1:9/none" },
} }
]]):gsub("LONG", LONG)

local folder

local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(text)
  file:close()
end

local function run(program, arguments)
  write("p.dsl", program)
  return command.run("p.dsl --quiet " .. (arguments or ""), folder)
end

-- Asks a bad agent and a good one side by side; gives what became of both.
local function beside(agent, timeout)
  return run(([[
STATE bad = null
STATE good = null
PARALLEL:
  BRANCH bad:
    EVENT completion:async {agent_id: "%s", prompt: "p", timeout: %s, retries: 0} AS r
    UPDATE bad = r.success ? "ok " + r.output.length : r.error.type
  BRANCH good:
    EVENT completion:async {agent_id: "good", prompt: "p"} AS g
    UPDATE good = g.output
RETURN "{{bad}}, {{good}}"
]]):format(agent, timeout or 10))
end

describe("an agent", function()
  before_each(function() folder = command.folder { ["orchlua.config.lua"] = CONFIG } end)
  after_each(function() command.remove(folder) end)

  local expected = {
    huge = "limit, fine", deep_json = "ok 200000, fine", deep_table = "agent, fine", cyclic = "agent, fine", raises_table = "agent, fine",
    raises_nil = "agent, fine", nan = "agent, fine", flood = "limit, fine", dies = "agent, fine", closes = "ok 0, fine",
    missing = "agent, fine", refused = "transport, fine", orphans = "ok 15, fine",
  }
  for agent, outcome in pairs(expected) do
    it(("that is called %s leaves the others their work"):format(agent), function()
      local r = beside(agent)
      assert.equal(outcome .. "\n", r.out, r.err)
      assert.equal(0, r.status)
    end)
  end

  it("that hangs is ended by its time-out, also when it ignores SIGTERM", function()
    for _, agent in ipairs { "hangs", "stubborn", "yields" } do
      assert.equal("timeout, fine\n", beside(agent, "0.3").out)
    end
  end)

  it("leaves no process behind", function()
    run(([[PARALLEL:
  FOREACH a IN ["hangs", "stubborn", "orphans", "flood"]:
    EVENT completion:async {agent_id: a, prompt: "%s", timeout: 0.5} AS r
]]):format(folder))
    local left = command.shell("ps -eo args | grep -c '[s]leep " .. LONG .. "'", folder).out
    assert.equal("0\n", left)
  end)

  it("is gone when the run is stopped by a signal", function()
    write("p.dsl", 'EVENT completion:async {agent_id: "stubborn", prompt: "p"} AS r')
    local r = command.shell(command.path .. " p.dsl --quiet & pid=$!; sleep 0.5; kill -TERM $pid; wait $pid; echo status $?; sleep 0.1; pgrep -f \"trap '' TER[M]; while\" | wc -l", folder)
    assert.matches("status 143", r.out)
    assert.matches("\n0\n$", r.out)
  end)

  it("cannot write to the terminal or forge a line of progress", function()
    write("orchlua.config.lua", 'return { agents = { a = function() error("\\27[2Jevil\\n✓ completed", 0) end } }')
    write("p.dsl", 'EVENT completion:async {agent_id: "a", prompt: ""} AS r')
    local r = command.run("p.dsl", folder)
    assert.is_nil(r.err:find "\27")
    assert.is_nil(r.err:find "\n✓ completed")
    assert.equal(1, r.status)
  end)
end)

describe("a configuration", function()
  before_each(function() folder = command.folder {} end)
  after_each(function() command.remove(folder) end)

  it("that is wrong is refused with its file and what is wrong, before anything runs", function()
    for text, message in pairs {
      ["return {"] = "orchlua.config.lua", ["return 5"] = "orchlua.config.lua", ["error 'no'"] = "no",
      ["return { agents = { a = { exec = {} } } }"] = "agents.a", ["return { agnets = {} }"] = "agents", ["return { agents = { a = { timeout = -1, lua = print } } }"] = "timeout",
      ["return { agents = { a = { openai = { model = 5 } } } }"] = "openai",
    } do
      write("orchlua.config.lua", text)
      local r = run "RETURN 1"
      assert.equal(2, r.status, text)
      assert.equal("", r.out)
      assert.matches(message, r.err, 1, true)
    end
  end)
end)

describe("a program", function()
  before_each(function() folder = command.folder {} end)
  after_each(function() command.remove(folder) end)

  it("that grows without end stops with an error", function()
    assert.matches("limit", run('STATE s = "0123456789"\nTRY:\n  WHILE true:\n    UPDATE s = s + s\nCATCH e:\n  RETURN e.type').out)
    local r = run("STATE l = [1]\nWHILE true:\n  APPEND l 1", "--max-steps 100000")
    assert.equal(1, r.status)
    assert.matches("more than 100000 loop turns", r.err)
  end)

  it("with values inside themselves is shown, and cannot be written as JSON", function()
    assert.equal("type\n", run("STATE l = []\nAPPEND l l\nTRY:\n  STATE s = JSON.stringify(l)\nCATCH e:\n  RETURN e.type").out)
    assert.matches("%(cycle%)", run("STATE o = {}\nUPDATE o.o = o\nRETURN o").out)
  end)

  it("with small values that unfold to large ones is not waited for", function()
    local unfolding = "STATE a = [1]\nSTATE b = [1]\nFOREACH i IN RANGE(40):\n  UPDATE a = [a, a]\n  UPDATE b = [b, b]\n"
    assert.equal('"(too large)"\n', run(unfolding .. "RETURN a").out)
    assert.equal("completed", core.json.decode(run(unfolding .. "RETURN 1", "--output json").out).status)
    for what, message in pairs { ["a == b"] = "too large to be compared", ["HASH(a)"] = "larger than 16777216 values", ['"{{a}}"'] = "larger than 16777216 values" } do
      assert.matches(message, run(unfolding .. "TRY:\n  RETURN " .. what .. "\nCATCH e:\n  RETURN e.message").out, 1, true)
    end
    local all_in_all = "STATE l = []\nFOREACH i IN RANGE(14):\n  APPEND l []\nFOREACH x IN l:\n  FOREACH y IN l:\n    APPEND x y\nRETURN l"
    assert.matches("%(too large%)", run(all_in_all).out)
  end)

  it("has no way to Lua's own functions", function()
    for _, expression in ipairs { '"x".rep', '"x".format', "x.__index", 'x["__metatable"]', '"x"["rep"]' } do
      assert.equal("null\n", run("STATE x = {}\nRETURN JSON.stringify(" .. expression .. ")").out, expression)
    end
  end)

  it("of many branches and iterations ends", function()
    local r = run("STATE n = 0\nPARALLEL:\n  FOREACH i IN RANGE(20000):\n    WAIT 0.01\n    UPDATE n = n + 1\nRETURN n")
    assert.equal("20000\n", r.out)
  end)

  it("of any bytes gives an error", function()
    for _, text in ipairs { "\0\0\0", "\255", ("("):rep(100000), ("{{"):rep(5000), '"' .. ("{{"):rep(5000), ("IF true: "):rep(5000), core.json.encode("x"):rep(1000) } do
      local r = run(text)
      assert.equal(2, r.status)
      assert.matches("error", r.err)
    end
  end)
end)
