-- Which runs are committed together, and when.

local config = require "orchlua.config"
local core = require "orchlua.core"
local journal = require "orchlua.journal"
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

  -- Until a batch is with the thread: looked for before the loop has its turn, in which it may be through already.
  local function until_busy()
    rt:loop { stop = function() return rt.journal.busy end }
    assert.is_true(rt.journal.busy)
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
    until_busy()
    start "third"
    local from = core.loop.clock()
    while not asked.third do rt:turn() end
    assert.is_true(asked.third - from < 1)
    assert.is_truthy(asked.second)
  end)

  it("are committed when the runtime is closed, also behind one that is with the thread", function()
    local asked = 0
    local compile = runtime {
      slow = function()
        asked = asked + 1
        orchlua.sleep(60)
      end,
    }
    local program = compile 'EVENT completion:async {agent_id: "slow", prompt: ""} AS r\n'
    assert(rt:start(program, { run_id = "first" }))
    while asked < 1 do rt:turn() end
    assert(rt:start(program, { run_id = "second" }))
    until_busy()
    assert(rt:start(program, { run_id = "third" }))
    rt:close()
    runtime {}
    for _, id in ipairs { "first", "second", "third" } do
      local _, rows = rt.store:load(assert(rt.store:find(id)))
      assert.equal(2, #rows)
    end
    assert.equal(1, asked)
  end)

  it("are committed on the thread while others are driven, and lose nothing by that", function()
    local compile = runtime { ["*"] = function(request) return request.prompt end }
    local program = compile 'INPUT n\nSTATE said = ""\nFOREACH i IN RANGE(20):\n  EVENT completion:async {agent_id: "a", prompt: "{{said}}{{n}}"} AS r\n  UPDATE said = r.output\nRETURN said\n'
    local runs, later = {}, 0
    -- As on a disk that is always fast enough.
    function rt.journal:commit_meanwhile()
      if self.busy or #self.gathered == 0 then return end
      later = later + 1
      self:commit_later()
    end
    for n = 1, 60 do runs[n] = assert(rt:start(program, { input = { n = n } })) end
    rt:loop()
    for n = 1, 60 do assert.equal(tostring(n):rep(20), runs[n].result) end
    assert.is_true(later >= 20)
  end)
end)

describe("a batch", function()
  it("is put on the thread when to drive the runs takes longer than a commit", function()
    local given, store = 0, { commit_seconds = 0.001, write = function() end }
    function store.commit_later() given = given + 1 end
    local kept = journal.new(store, {})
    kept.seconds_a_run = 0.0001
    local function given_with(gathered, driven)
      for i = 1, gathered do kept.gathered[i] = {} end
      kept:commit_meanwhile(driven)
      return given
    end
    assert.equal(0, given_with(0, 50))
    assert.equal(0, given_with(1, 5))
    assert.equal(1, given_with(1, 50))
    -- One is with the thread.
    assert.equal(1, given_with(50, 50))
  end)

  it("that fails takes with it what was gathered meanwhile", function()
    local stopped, store, voided, ended = {}, {}, 0, nil
    function store.commit_later(_, done) ended = done end
    function store.void() voided = voided + 1 end
    local kept = journal.new(store, { stop = function(run, err) stopped[#stopped + 1] = run.id .. " " .. err end })
    kept:gather { id = "a" }
    kept:commit_later()
    kept:gather { id = "b" }
    ended(nil, "full")
    assert.same({ "a full", "b full" }, stopped)
    assert.equal(1, voided)
    assert.is_false(kept.busy)
    assert.equal(0, #kept.gathered)
  end)
end)
