-- Which runs are committed together, and when.

local config = require "orchlua.config"
local core = require "orchlua.core"
local orchlua = require "orchlua"

describe("batches of runs", function()
  local path, rt
  before_each(function() path = io.popen("mktemp -d -p /dev/shm 2>/dev/null || mktemp -d"):read "l" .. "/s.db" end)
  after_each(function()
    rt:close()
    os.execute("rm -rf " .. path:match "^(.*)/")
  end)

  local function runtime(agents)
    local checked = assert(config.check({ agents = agents }, ".", "spec"))
    rt = assert(orchlua.runtime { store = path, config = checked, seed = 1 })
    return function(text) return assert(orchlua.compile(text, { name = "spec.dsl", config = checked })) end
  end

  it("wait for no other run when they were gathered while a batch was committed", function()
    local asked = {}
    local compile = runtime {
      slow = function(request)
        asked[request.prompt] = core.loop.clock()
        orchlua.sleep(60)
      end,
    }
    local program = compile 'INPUT name\nEVENT completion:async {agent_id: "slow", prompt: name} AS r\n'
    local function start(name) assert(rt:start(program, { input = { name = name } })) end
    start "first"
    while not asked.first do rt:turn() end
    start "second"
    while not rt.journal.busy do rt:turn() end
    start "third"
    local from = core.loop.clock()
    while not asked.third do rt:turn() end
    assert.is_true(asked.third - from < 1)
    assert.is_truthy(asked.second)
  end)
end)
