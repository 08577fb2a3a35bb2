local config = require "orchlua.config"
local core = require "orchlua.core"
local orchlua = require "orchlua"
local run = require "spec.support.run"

-- JSON of more than 2 MB: an array of objects.
local function large()
  local items = {}
  for i = 1, 40000 do items[i] = ('{"id":%d,"name":"item %d","tags":["a","b"]}'):format(i, i) end
  return "[" .. table.concat(items, ",") .. "]"
end

describe("a large answer that is JSON", function()
  local answer = large()
  local agents = { big = function() return answer end, fenced = function() return "Here:\n```json\n" .. answer .. "\n```\n" end,
    broken = function() return answer:sub(1, -2) end, slow = function() orchlua.sleep(0.01) return "x" end }

  local function asked(agent, what)
    return run.text(('EVENT completion:async {agent_id: "%s", prompt: "x"} AS r\nRETURN %s'):format(agent, what), { agents = agents })
  end

  it("is what a small one would be", function()
    assert.equal("[40000,40000]", asked("big", "[LENGTH(r.result), r.result[39999].id]"))
    assert.equal("[40000,40000]", asked("fenced", "[LENGTH(r.result), r.result[39999].id]"))
    assert.equal("[true,true]", asked("broken", "[r.result == r.output, LENGTH(r.output) > 1000000]"))
  end)

  it("leaves the collector as it was", function()
    for _, mode in ipairs { "incremental", "generational" } do
      local before = collectgarbage(mode)
      asked("big", "1")
      assert.is_true(collectgarbage "isrunning")
      assert.equal(mode, collectgarbage(before))
    end
  end)

  it("is read while other branches go on, and comes in its order", function()
    local program = [[
STATE order = []
PARALLEL:
  BRANCH:
    EVENT completion:async {agent_id: "big", prompt: "x"} AS b
    APPEND order LENGTH(b.result)
  BRANCH:
    EVENT completion:async {agent_id: "slow", prompt: "x"} AS s
    APPEND order s.output
RETURN LENGTH(order)
]]
    assert.equal("2", run.text(program, { agents = agents }))
    assert.equal(2, run.result(program, { agents = agents, real_time = true }))
  end)

  it("goes to the run that asked, also when another one has asked meanwhile", function()
    local checked = assert(config.check({ agents = { big = agents.big, small = function() return "small" end } }, ".", "config"))
    local rt = assert(orchlua.runtime { config = checked, virtual_time = true })
    local function start(agent, result)
      local text = ('EVENT completion:async {agent_id: "%s", prompt: "x"} AS r\nRETURN %s'):format(agent, result)
      return assert(rt:start(assert(orchlua.compile(text, { config = checked })), { run_id = agent }))
    end
    local first, second = start("big", "LENGTH(r.result)"), start("small", "r.output")
    rt:loop()
    rt:close()
    assert.equal(40000, first.result)
    assert.equal("small", second.result)
  end)

  it("may be cut off by the end of its run", function()
    local program = "PARALLEL:\n  BRANCH:\n    EVENT completion:async {agent_id: \"big\", prompt: \"x\"} AS b\n  BRANCH:\n    RETURN 1\n"
    assert.equal(1, run.result(program, { agents = agents }))
    local started, rt = run.start('EVENT completion:async {agent_id: "big", prompt: "x"} AS b\nRETURN 1', { agents = agents })
    rt:turn()
    rt:close()
    assert.equal("running", started.status)
    assert.is_true(collectgarbage "isrunning")
  end)
end)

describe("records of replies", function()
  it("are without what was answered where nobody wants it", function()
    local records = {}
    local program = assert(orchlua.compile 'EVENT completion:async {agent_id: "a", prompt: "x"} AS r\nRETURN r.output')
    local rt = orchlua.runtime { brief = true, config = { agents = { a = function() return "y" end } },
      on_record = function(record) records[record.type] = record end }
    local ended = rt:start(program)
    rt:loop()
    rt:close()
    assert.equal("y", ended.result)
    assert.is_nil(records.reply.data)
    assert.is_true(records.reply.success)
    assert.equal("y", core.value.text(records["run:completed"].result))
  end)
end)
