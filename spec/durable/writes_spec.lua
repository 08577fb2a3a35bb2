-- What a process leaves behind that dies at a write to its store, at every one with ORCHLUA_KILLS: when it deletes old
-- runs, and when entities have grown as large as they may.

local broken = require "spec.support.broken"
local command = require "spec.support.command"
local core = require "orchlua.core"
local sqlite = require "orchlua.store.sqlite"

local value = core.value
local STEP = os.getenv "ORCHLUA_KILLS" and 1 or 6
-- Each run makes fewer writes than that.
local MOST = 5000

describe("a process that dies at a write", function()
  local folder
  before_each(function() folder = broken.folder() end)
  after_each(function() broken.remove(folder) end)

  local function write(name, text)
    local file <close> = assert(io.open(folder .. "/" .. name, "w"))
    file:write(text)
  end

  local function asked(sql) return command.shell(("sqlite3 run.db %q"):format(sql), folder).out end

  -- A store with runs that ended long ago, each of a program of its own.
  local function old_store(count)
    local loop = core.loop.new()
    local store = assert(sqlite.open(loop, folder .. "/old.db"))
    for i = 1, count do
      local lease = assert(store:create({ id = "old" .. i, title = "t", options = value.object {}, created = 1 },
        { name = "p" .. i, source = "x", first_line = 1, indent = 0 }))
      for seq = 1, 40 do store:append(lease, seq, "event", 1) end
      store:snapshot(lease, 40, "bytes")
      store:say_state(lease, { status = "failed", time = i, steps = 0, released = true })
    end
    assert(store:commit())
    store:query "UPDATE driver SET renewed = 1"
    store.db:close()
    loop:close()
  end

  it("deletes an old run as a whole, or not at all", function()
    old_store(4)
    write("p.dsl", "RETURN 1\n")
    local at, least, most = 1, 4, 0
    repeat
      command.shell("rm -f run.db*; cp old.db run.db", folder)
      local killed = broken.killed(folder, "p.dsl --quiet --run-id new", at)
      local left = tonumber(asked "SELECT count(*) FROM run WHERE id LIKE 'old%'")
      least, most = math.min(least, left), math.max(most, left)
      local where = "killed at write " .. at
      assert.equal(("%d|%d|%d\n"):format(left * 40, left, left), asked([[SELECT (SELECT count(*) FROM journal JOIN run ON run.number = journal.run WHERE id LIKE 'old%'),
        (SELECT count(*) FROM snapshot JOIN run ON run.number = snapshot.run WHERE id LIKE 'old%'), (SELECT count(*) FROM program WHERE source = 'x')]]), where)
      assert.equal("0|0\n", asked([[SELECT (SELECT count(*) FROM journal WHERE run NOT IN (SELECT number FROM run)),
        (SELECT count(*) FROM run WHERE program NOT IN (SELECT number FROM program))]]), where)
      assert.equal("ok\n", asked "PRAGMA integrity_check", where)
      at = at + STEP
      assert.is_true(at < MOST, "it dies at every write, and never comes to its end")
    until not killed
    assert.same({ 2, 4 }, { least, most })
  end)

  it("hears of an update that was refused what it would have heard", function()
    write("orchlua.config.lua", "return { limits = { row = 1000 } }")
    write("p.dsl", [[
STATE refused = 0
FOREACH i IN RANGE(12):
  STATE p = {}
  UPDATE p["a{{i}}"] = REPLACE("xxxxxxxxxxxxxxxxxxxx", "x", "01234")
  TRY:
    EVENT state:entity:update {id: "e", properties: p} AS u
  CATCH e:
    UPDATE refused = refused + (e.type == "limit" ? 1 : 100)
EVENT state:entity:get {id: "e"} AS e
RETURN "{{refused}} {{KEYS(e.properties)}}"
]])
    command.shell(command.path .. " - --store empty.db --quiet", folder, "RETURN 1")
    local at = 1
    repeat
      command.shell("rm -f run.db*; cp empty.db run.db", folder)
      local killed = broken.killed(folder, "p.dsl --quiet --run-id one", at)
      local there = asked "SELECT count(*) FROM run WHERE id = 'one'" == "1\n"
      if there then
        command.shell(command.path .. " resume --all --store run.db --quiet", folder)
        assert.equal('completed|"5 [\\"a0\\",\\"a1\\",\\"a2\\",\\"a3\\",\\"a4\\",\\"a5\\",\\"a6\\"]"\n', asked "SELECT status, outcome FROM run WHERE id = 'one'", "killed at write " .. at)
      end
      at = at + STEP
      assert.is_true(at < MOST, "it dies at every write, and never comes to its end")
    until not killed
    assert.is_true(at > 30)
  end)
end)
