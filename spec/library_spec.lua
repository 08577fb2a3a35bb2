-- The library as its page says: embedded in a host, several runtimes side by side, and
-- nothing in the docs or the meta file that is not in the code, nor the other way round.

local broken = require "spec.support.broken"
local command = require "spec.support.command"
local core = require "orchlua.core"
local orchlua = require "orchlua"
local patterns = require "orchlua.patterns"
local spec_run = require "spec.support.run"

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

local function keys(t)
  local list = {}
  for key in pairs(t) do
    if type(key) == "string" and not key:find "^_" then list[#list + 1] = key end
  end
  table.sort(list)
  return list
end

describe("the library", function()
  it("runs its page's example", function()
    local printed = {}
    local env = setmetatable({ print = function(...) printed[#printed + 1] = table.concat({ ... }, " ") end }, { __index = _G })
    assert(load(read("docs/library.md"):match "```lua library\n(.-)```", "=library.md", "t", env))()
    assert.same({ "completed hello world" }, printed)
  end)

  it("has runtimes side by side, each with its own agents and runs", function()
    local program = assert(orchlua.compile 'EVENT completion:async {agent_id: "a", prompt: ""} AS r\nWAIT 0.01\nRETURN r.output')
    local list = {}
    for i = 1, 3 do
      local rt = assert(orchlua.runtime { config = { agents = { a = function() return "agent " .. i end } } })
      list[i] = { rt = rt, runs = {} }
      for n = 1, 4 do list[i].runs[n] = assert(rt:start(program, { run_id = "r" .. n })) end
    end
    local busy = true
    while busy do
      busy = false
      for _, one in ipairs(list) do busy = one.rt:turn() or busy end
    end
    for i, one in ipairs(list) do
      for _, run in ipairs(one.runs) do assert.equal("agent " .. i, run.result) end
      one.rt:close()
    end
  end)

  it("keeps nothing of a run that has ended, in memory nor with a store", function()
    local program = assert(orchlua.compile 'EVENT completion:async {agent_id: "a", prompt: ""} AS r\nRETURN r.output')
    for _, store in ipairs { ":memory:", os.tmpname() } do
      local rt = assert(orchlua.runtime { store = store, durability = "relaxed", config = { agents = { a = function() return "x" end } } })
      local held = setmetatable({}, { __mode = "v" })
      for i = 1, 100 do held[i] = assert(rt:start(program)) end
      rt:loop()
      collectgarbage()
      collectgarbage()
      local count = 0
      for _ in pairs(held) do count = count + 1 end
      assert.is_true(count <= 1, count .. " of 100 runs are held still: " .. store) -- the last may stand in a spare part
      rt:close()
      os.execute(("rm -f %s %s-wal %s-shm %s-bell"):format(store, store, store, store))
    end
  end)

  it("may be closed by what it calls: the loop is left soon, and the run can be resumed", function()
    local store = os.tmpname()
    local program = assert(orchlua.compile 'FOREACH i IN RANGE(1000):\n  EVENT completion:async {agent_id: "a", prompt: ""} AS r\nRETURN "end"')
    local function closing(where)
      local rt
      rt = assert(orchlua.runtime {
        store = store, on_record = function(record) if where == record.type then rt:close() end end,
        config = { agents = { a = function() if where == "agent" then rt:close() end return "x" end } },
      })
      return rt
    end
    for _, where in ipairs { "agent", "reply", "run:started" } do
      local rt = closing(where)
      local run = assert(rt:start(program, { run_id = where }))
      rt:loop()
      assert.equal("running", run.status)
      assert.is_false(rt:turn())
      rt = closing()
      local resumed = assert(rt:resume(where))
      rt:loop()
      rt:close()
      assert.equal("end", resumed.result)
    end
    os.execute(("rm -f %s %s-wal %s-shm %s-bell"):format(store, store, store, store))
  end)

  it("names no branch in the record of a run's end", function()
    local _, records = spec_run.run('PARALLEL:\n  BRANCH a: FAIL "A"\n  BRANCH ok: WAIT 0.2')
    assert.equal("run:failed", records[#records].type)
    assert.is_nil(records[#records].branch)
  end)

  it("keeps a signal for a run that was stopped here: its resume takes it", function()
    local store, interrupt, asked = os.tmpname(), false, 0
    local function agent()
      asked = asked + 1
      interrupt = asked == 1
      return "x"
    end
    local function host() return assert(orchlua.runtime { store = store, interrupted = function() return interrupt end, config = { agents = { a = agent } } }) end
    local here, other = host(), host()
    local program = assert(orchlua.compile 'EVENT completion:async {agent_id: "a", prompt: ""} AS r\nSTATE n = 0\nFOREACH i IN RANGE(3000):\n  UPDATE n = n + i\nAWAIT m FROM go\nRETURN m')
    local run = assert(here:start(program, { run_id = "r" }))
    here:loop()
    assert.equal("stopped", run.status)
    interrupt = false
    assert.is_true(other:signal("r", "go", "one"))
    assert.is_true(here:signal("r", "go", "two"))
    here:take_messages()
    local resumed = assert(here:resume "r")
    here:loop()
    assert.equal("one", resumed.result.result)
    here:close()
    other:close()
    os.execute(("rm -f %s %s-wal %s-shm %s-bell"):format(store, store, store, store))
  end)

  it("stops a parent with its sub-run, and a resume goes on with both", function()
    local child, parent = 'STATE l = RANGE(9000000)\nRETURN LENGTH(l)', 'EVENT orchestration:run {file: "child.dsl"} AS r\nRETURN r'
    for _, store in ipairs { ":memory:", os.tmpname() } do
      local function host(memory)
        return assert(orchlua.runtime { store = store, max_memory = memory, compile_file = function() return orchlua.compile(child) end })
      end
      local rt = host(1 << 20)
      local run = assert(rt:start(assert(orchlua.compile(parent)), { run_id = "r" }))
      rt:loop { until_parked = true }
      rt:close()
      assert.equal("stopped", run.status)
      assert.equal("limit", run.error.type)
      if store ~= ":memory:" then
        rt = host(1 << 30)
        run = assert(rt:resume "r")
        rt:loop()
        rt:close()
        assert.equal(9000000, run.result)
      end
      os.execute(("rm -f %s %s-wal %s-shm %s-bell"):format(store, store, store, store))
    end
  end)

  it("does not turn its loop inside what it calls: that raises, and the run goes on as it would have", function()
    local program = assert(orchlua.compile [[
TRY:
  EVENT completion:async {agent_id: "a", prompt: ""} AS r
  WAIT 1
FINALLY:
  EVENT completion:async {agent_id: "b", prompt: ""} AS f
]])
    for _, verb in ipairs { "turn", "loop" } do
      local rt, raised
      rt = assert(orchlua.runtime {
        virtual_time = true, config = { agents = {
          b = function() return "end" end,
          a = function()
            rt:cancel "seed-1"
            raised = { pcall(rt[verb], rt) }
            return "x"
          end,
        } },
      })
      local run = assert(rt:start(program, { run_id = "seed-1" }))
      rt:loop()
      assert.is_false(raised[1])
      assert.matches("the loop is at work already", raised[2])
      assert.equal("cancelled", run.status)
      assert.equal("end", run:names().f.output)
      rt:close()
    end
  end)

  it("tells what is wrong with a program where nobody looks at the list, as assert does", function()
    local _, wrong = orchlua.compile("STATE x = 1 +\nSTATE y = * 2\n", { name = "p.dsl" })
    assert.matches("^p%.dsl:1:%d+: [^\n]+\np%.dsl:2:11: [^\n]+$", tostring(wrong))
    assert.matches("^p%.dsl:2:11: ", tostring(wrong[2]))
    local _, warnings = orchlua.compile("AWAIT x\n", { name = "w.dsl" })
    assert.matches("^w%.dsl:1:1: nothing can answer", tostring(warnings))
    local folder = command.folder { ["p.lua"] = [[assert(require "orchlua".compile("RETURN nope", { name = "p.dsl" }))]] }
    assert.matches("p.dsl:1:8: ", command.shell(("LUA_PATH='%s' LUA_CPATH='%s' %s %s/p.lua"):format(package.path, package.cpath, broken.lua, folder)).err, 1, true)
    command.remove(folder)
  end)

  it("leaves the loop when only a signal is left that nobody else can send, and goes on with it", function()
    local rt = assert(orchlua.runtime())
    local run = assert(rt:start(assert(orchlua.compile "AWAIT x FROM person\nRETURN x.output"), { run_id = "r" }))
    rt:loop()
    assert.equal("running", run.status)
    assert.is_true(rt:signal("r", "person", "yes"))
    rt:loop()
    assert.same({ "completed", "yes" }, { run.status, run.result })
    rt:close()
  end)

  it("raises where a run is started with what cannot be, for whoever called", function()
    local rt = assert(orchlua.runtime { virtual_time = true })
    local program = assert(orchlua.compile "INPUT n = 1\nAWAIT x TIMEOUT 0\nRETURN n")
    for says, arguments in pairs {
      ["rt:start takes a program, as orchlua.compile gives it, and got nil"] = { nil },
      ["rt:start takes a program, as orchlua.compile gives it, and got string"] = { "RETURN 1" },
      ["rt:start takes a table of options, and got number"] = { program, 5 },
      ["rt:start takes a table as `input`, and got a number"] = { program, { input = 5 } },
      ["rt:start has no option `inputs`; did you mean `input`?"] = { program, { inputs = { n = 2 } } },
      ["rt:start has no option `nonsense`"] = { program, { nonsense = true } },
      ["rt:start takes a string as `folder`, and got a boolean"] = { program, { folder = true } },
    } do
      local ok, raised = pcall(function() rt:start(arguments[1], arguments[2]) end)
      assert.is_false(ok)
      assert.matches("^%S*spec/library_spec.lua:%d+: ", raised)
      assert.equal(says, raised:match "spec.lua:%d+: (.*)$")
    end
    local run = assert(rt:start(assert(orchlua.compile "AWAIT x TIMEOUT 0\nRETURN 1"))) -- its warnings are no options
    rt:loop()
    assert.equal(1, run.result)
    rt:close()
    local ok, raised = pcall(function() rt:start(program) end)
    assert.is_false(ok)
    assert.matches("spec/library_spec.lua:%d+: rt:start: the runtime is closed$", raised)
  end)

  it("leaves no global behind", function()
    local before = keys(_G)
    spec_run.run('EVENT pattern:pipeline {stages: ["a"]} AS r\nRETURN r', { agents = { ["*"] = function() return "x" end } })
    assert.same(before, keys(_G))
  end)

  it("is documented whole: docs/library.md names every public function, and no other", function()
    local text = read "docs/library.md"
    for _, name in ipairs(keys(orchlua)) do assert.is_truthy(text:find("orchlua." .. name, 1, true), "orchlua." .. name) end
    for name in text:gmatch "`orchlua%.([%a_]+)" do assert.is_not_nil(orchlua[name], "orchlua." .. name) end
    local rt = assert(orchlua.runtime {})
    for name in text:gmatch "`rt:([%a_]+)" do assert.is_function(rt[name], "rt:" .. name) end
    rt:close()
  end)

  it("has a meta file that names what the C modules give", function()
    local text = read "meta/core.lua"
    for _, module in ipairs(keys(core)) do
      for _, name in ipairs(keys(core[module])) do
        local known = text:find(("function %s.%s("):format(module, name), 1, true) or text:find(("---@field %s "):format(name), 1, true)
        assert.is_truthy(known, module .. "." .. name)
      end
      for name in text:gmatch("function " .. module .. "%.([%a_%d]+)%(") do assert.is_not_nil(core[module][name], module .. "." .. name) end
    end
    local loop = core.loop.new()
    local methods = { Loop = getmetatable(loop).__index, Database = debug.getregistry()["orchlua.database"] }
    for class, of in pairs(methods) do
      for _, name in ipairs(keys(of)) do assert.is_truthy(text:find(("function %s:%s("):format(class, name), 1, true), class .. ":" .. name) end
      for name in text:gmatch("function " .. class .. ":([%a_]+)%(") do assert.is_function(of[name], class .. ":" .. name) end
    end
    loop:close()
  end)
end)

describe("docs/patterns.md", function()
  it("has a whole pattern that works", function()
    local pattern = assert(load(read("docs/patterns.md"):match "```lua pattern\n(.-)```"))()
    local r = spec_run.result('EVENT pattern:second_opinion {question: "Why?", judge: "j"} AS r\nRETURN r.output', { config = {
      agents = { j = function() return "2" end, ["*"] = function(request) return request.agent_id .. " says so" end }, patterns = { pattern } } })
    assert.equal("grace says so", r)
  end)

  it("has a program in Lua that uses one", function()
    local printed = {}
    local env = setmetatable({ print = function(...) printed[#printed + 1] = table.concat({ ... }, " ") end }, { __index = _G })
    assert(load(read("docs/patterns.md"):match "```lua from lua\n(.-)```", "=patterns.md", "t", env))()
    assert.same({ "approved 1" }, printed)
    for _, name in ipairs(patterns.names()) do assert(orchlua.pattern(name)) end
    assert.is_nil(orchlua.pattern "nobody")
  end)

  it("names every pattern with its parameters, and every verb of flow", function()
    local text = read "docs/patterns.md"
    for _, name in ipairs(patterns.names()) do
      local line = text:match("\n| `" .. name .. "` |([^\n]+)")
      assert.is_truthy(line, name)
      for parameter in pairs(patterns.find(name).params) do assert.is_truthy(line:find("`%[?" .. parameter .. "%]?`"), name .. ": " .. parameter) end
    end
    local flow = read "lua/orchlua/run/flow.lua"
    for verb in flow:gmatch "function Flow:([%a_]+)" do
      if verb ~= "patterns" then assert.is_truthy(text:find("flow:" .. verb, 1, true), "flow:" .. verb) end
    end
  end)
end)
