-- When the journal of a run has outgrown its snapshot.

local config = require "orchlua.config"
local orchlua = require "orchlua"

describe("the journal of a run", function()
  it("keeps little of a run that keeps little, whatever functions answer and agents fail with", function()
    local folder = io.popen("mktemp -d -p /dev/shm 2>/dev/null || mktemp -d"):read "l"
    local checked = assert(config.check({
      agents = { ["*"] = function() error(("e"):rep(20000)) end },
      functions = { TEXT = function() return ("t"):rep(20000) end, LIST = function() return { ("l"):rep(20000), { 1 } } end },
    }, ".", "spec"))
    local program = assert(orchlua.compile([[
FOREACH i IN RANGE(100):
  STATE n = LENGTH(TEXT()) + LENGTH(LIST())
  EVENT completion:async {agent_id: "a", prompt: "p", on_error: "return"} AS r
RETURN n
]], { name = "p.dsl", config = checked }))
    local rt = assert(orchlua.runtime { store = folder .. "/s.db", config = checked })
    local run = assert(rt:start(program, {}))
    rt:loop()
    assert.equal(20002, run.result)
    local kept = rt.store:query("SELECT sum(length(readings)) AS readings, sum(length(error)) AS errors FROM journal")[1]
    assert.is_true(kept.readings < 400000 and kept.errors < 400000, kept.readings .. " " .. kept.errors)
    rt:close()
    os.execute("rm -rf " .. folder)
  end)
end)
