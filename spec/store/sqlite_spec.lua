-- The store in a file: its versions, its leases, and what it forgets.

local core = require "orchlua.core"
local sqlite = require "orchlua.store.sqlite"

local json, value = core.json, core.value

describe("a store in SQLite", function()
  local folder, path, loop, open
  before_each(function()
    folder = io.popen("mktemp -d -p /dev/shm 2>/dev/null || mktemp -d"):read "l"
    path, loop, open = folder .. "/s.db", core.loop.new(), {}
  end)
  after_each(function()
    for _, store in ipairs(open) do store:close() end
    loop:close()
    os.execute("rm -rf " .. folder)
  end)

  local function new(options)
    local store, err = sqlite.open(loop, path, options)
    if store then open[#open + 1] = store end
    return store, err
  end

  local TEXT = { name = "p", source = "x", first_line = 1, indent = 0 }

  local function started(store, id)
    local lease = assert(store:create({ id = id, title = "t", options = value.object {}, created = 1 }, TEXT))
    store:append(lease, 1, "start", 1)
    assert(store:commit())
    return lease
  end

  local function digest() return io.popen("sha256sum < " .. path):read "l" end

  it("of a newer release, or of something else, is refused and left as it is", function()
    new():close()
    open = {}
    os.execute(("sqlite3 %s 'PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null"):format(path))
    local before = digest()
    local none, err = new()
    assert.is_nil(none)
    assert.matches("newer release of orchlua %(its version is 99, this one knows %d+%)", err.message)
    assert.equal(before, digest())
    path = folder .. "/other.db"
    os.execute(("sqlite3 %s 'CREATE TABLE mine (x)'"):format(path))
    before = digest()
    none, err = new()
    assert.is_nil(none)
    assert.matches("is a database of something else", err.message)
    assert.equal(before, digest())
  end)

  it("is made once, by however many processes at once", function()
    local command = ("for i in 1 2 3 4 5 6; do printf 'RETURN %%d' $i | ORCHLUA_STORE=%s %s - --quiet & done; wait"):format(path, require("spec.support.command").path)
    local out = {}
    for line in io.popen(command):lines() do out[#out + 1] = line end
    table.sort(out)
    assert.equal("1 2 3 4 5 6", table.concat(out, " "))
  end)

  it("gives a lease to one driver; an older one's part is void", function()
    local first, second = new(), new()
    local lease = started(first, "r")
    local none, err = second:take "r"
    assert.is_nil(none)
    assert.equal("lease", err.type)
    first.db:query("UPDATE driver SET renewed = 0 WHERE number = ?", first.driver)
    local taken = assert(second:take "r")
    assert.equal(2, taken.fence)
    assert.is_true(taken.crashed)
    first:append(lease, 2, "signal", 2)
    local outcome = assert(first:commit())
    assert.is_true(outcome.refused[lease])
    assert.equal(1, first:query("SELECT count(*) AS n FROM journal")[1].n)
    first:renew()
    assert(first:commit())
  end)

  it("has the program of each run, whatever another process deletes meanwhile", function()
    local first, second = new(), new()
    local lease = started(first, "r")
    first:say_state(lease, { status = "completed", time = 2, steps = 0, released = true })
    assert(first:commit())
    local another = assert(first:create({ id = "s", title = "t", options = value.object {}, created = 3 }, TEXT))
    assert.equal(1, second:prune(9))
    assert.same({}, second:query "SELECT number FROM program")
    first:append(another, 1, "start", 3)
    assert(first:commit())
    assert.equal("x", assert(second:find "s").source)
  end)

  it("forgets drivers that were killed and hold nothing", function()
    local first, second, third = new(), new(), new()
    started(first, "r")
    assert.is_nil(second:sign_in())
    first.db:query "UPDATE driver SET renewed = 0"
    assert.is_nil(third:sign_in())
    local left = third:query "SELECT number FROM driver ORDER BY number"
    assert.same({ { number = first.driver }, { number = third.driver } }, left)
  end)

  it("refuses a second run of an id, with all that it wrote", function()
    local first, second = new(), new()
    started(first, "r")
    local lease = assert(second:create({ id = "r", title = "t", options = value.object {}, created = 1 }, { name = "p", source = "x", first_line = 1, indent = 0 }))
    second:append(lease, 1, "start", 1)
    assert.is_true(assert(second:commit()).refused[lease])
    assert.equal(1, first:query("SELECT count(*) AS n FROM journal")[1].n)
  end)

  it("finds the last row of a run whose own row names an earlier one", function()
    local store = new()
    local leases = { started(store, "r"), started(store, "other") }
    local function noted() return store:query("SELECT last FROM run WHERE id = 'r'")[1].last end
    local first = noted()
    local moved
    for seq = 2, 700 do
      for _, lease in ipairs(leases) do
        store:append(lease, seq, "reply", 1, seq)
      end
      assert(store:commit())
      if seq == 400 then assert.equal(first, noted()) end
      moved = moved or noted() > first
      if seq % 100 == 0 then
        local found = assert(store:find "r")
        assert.equal(leases[1].last_row, found.last)
        assert.equal(seq, #select(2, store:load(found)))
      end
    end
    assert.is_true(moved)
    store:say_state(leases[1], { status = "completed", time = 5, steps = 0, released = true })
    assert(store:commit())
    assert.equal(leases[1].last_row, noted())
  end)

  it("keeps of the history behind a snapshot what it is told to, and cuts long bodies there", function()
    local store = new { retention = { rows = 20, days = 30 } }
    local lease = started(store, "r")
    local seq = 1
    for _ = 1, 10 do
      for _ = 1, 10 do
        seq = seq + 1
        store:append(lease, seq, "reply", 1, seq, nil, nil, nil, nil, nil, ("b"):rep(1000))
      end
      store:snapshot(lease, seq, "snapshot at " .. seq)
      assert(store:commit())
    end
    local kept = store:query("SELECT min(seq) AS first, max(seq) AS last, count(*) AS n, max(length(body)) AS longest FROM journal")[1]
    assert.same({ first = 82, last = 101, n = 20, longest = 1000 }, kept)
    assert.equal(store.HISTORY_BODY, store:query("SELECT max(length(body)) AS longest FROM journal WHERE seq <= 91")[1].longest)
    local found = assert(store:find "r")
    local snapshot, rows = store:load(found)
    assert.equal("snapshot at 101", snapshot.body)
    assert.equal(0, #rows)
    assert.equal(20, #store:history(found, 1000))
    assert.equal(1, store:query("SELECT count(*) AS n FROM snapshot WHERE body IS NOT NULL")[1].n)
  end)

  it("cuts no row that may still have to answer a request about an entity, and makes up for it later", function()
    local store = new()
    local lease, note = started(store, "r"), ("n"):rep(1000)
    local request = { number = 1, kind = "entity", action = "create", type = "t", id = "1", properties = value.object { "note", note = note }, time = 1 }
    store:append_entity(lease, request, 2, 1, nil, 1)
    store:snapshot(lease, 2, "one", true)
    for seq = 3, 5 do
      store:append(lease, seq, "timer", 1, seq)
      store:snapshot(lease, seq, "more", true)
    end
    assert(store:commit())
    assert.equal(note, assert(store:answered(lease, request)).value.properties.note)
    for seq = 6, 7 do
      store:append(lease, seq, "timer", 1, seq)
      store:snapshot(lease, seq, "last", false)
    end
    assert(store:commit())
    assert.equal(store.HISTORY_BODY, store:query("SELECT max(length(body)) AS longest FROM journal")[1].longest)
  end)

  it("cuts long errors and readings there too, and an error stays one", function()
    local store = new()
    local lease = started(store, "r")
    local long = ("ü"):rep(5000)
    local failed = json.encode(value.object { "type", "message", "agent_id", type = "agent", message = long, agent_id = "a" })
    store:append(lease, 2, "reply", 1, 1, nil, nil, nil, nil, nil, nil, failed, nil, json.encode(value.array { long }))
    store:append(lease, 3, "timer", 1, 2, nil, nil, nil, nil, nil, nil, nil, nil, "[1.5]")
    store:snapshot(lease, 3, "one")
    store:snapshot(lease, 3, "two")
    store:append(lease, 4, "timer", 1, 3)
    store:snapshot(lease, 4, "three")
    assert(store:commit())
    assert.equal("three", store:load(assert(store:find "r")).body)
    local rows = store:query "SELECT error, readings FROM journal ORDER BY seq"
    assert.equal(('{"type":"agent","message":"%s"}'):format(("ü"):rep(store.HISTORY_BODY)), rows[2].error)
    assert.is_nil(rows[2].readings)
    assert.equal("[1.5]", rows[3].readings)
  end)

  it("has one bell, by whatever links it was opened", function()
    local store, rung = new(), false
    local bell = assert(store:listen(loop, function() rung = true end))
    os.execute(("ln -s %s %s/link.db"):format(path, folder))
    local other = assert(sqlite.open(loop, folder .. "/link.db"))
    other:ring()
    loop:turn(1)
    bell:close()
    other:close()
    assert.is_true(rung)
  end)

  it("lets a run go that was taken and not driven as it was, also one whose driver crashed", function()
    local store = new()
    started(store, "r")
    store:query "UPDATE driver SET pid = 1, started = 'long ago'"
    local other = new()
    local found = assert(other:take "r")
    assert.is_true(found.crashed)
    other:release(found)
    found = assert(other:take "r")
    assert.is_true(found.crashed)
    assert.is_true(found.last_driven > 1)
  end)

  it("does not delete a run that somebody takes up again", function()
    local store, other = new(), new()
    local lease = started(store, "r")
    store:say_state(lease, { status = "failed", time = 5, steps = 0, released = true })
    assert(store:commit())
    assert(store:take "r")
    assert.equal(0, other:prune(6))
    store:query "UPDATE driver SET pid = 1, started = 'long ago'"
    assert.equal(1, other:prune(6))
  end)

  -- Runs that ended before the epoch's first minute was over.
  local function old_runs(store, count, rows, parent)
    for i = 1, count do
      local lease = assert(store:create({ id = "old" .. i, title = "t", parent = parent, options = value.object {}, created = 1 }, TEXT))
      for seq = 1, rows do store:append(lease, seq, "event", 1) end
      store:say_state(lease, { status = "failed", time = i, steps = 0, released = true })
    end
    assert(store:commit())
  end

  local function count_of(store) return store:query("SELECT count(*) AS n FROM run WHERE id LIKE 'old%'")[1].n end

  it("deletes no old run at a start, and when it is closed in proportion to what was written", function()
    local store = new()
    old_runs(store, 60, 50)
    local short = new()
    started(short, "short")
    assert.equal(60, count_of(store))
    short:close()
    assert.equal(58, count_of(store))
    local long = new()
    local lease = started(long, "long")
    for seq = 2, 500 do long:append(lease, seq, "event", 1) end
    assert(long:commit())
    long:tidy()
    assert.equal(36, count_of(store))
    long:tidy()
    long:close()
    assert.equal(32, count_of(store))
    local other = new()
    assert.is_nil(other:sign_in())
    other.retention = { rows = 10, days = 0 }
    local own = started(other, "own")
    other:say_state(own, { status = "completed", time = core.loop.clock(), steps = 0, released = true })
    assert(other:commit())
    other:close()
    assert.is_true(store:exists "own")
  end)

  it("deletes a run of more rows than that by itself", function()
    local store = new()
    old_runs(store, 3, 300)
    local other = new()
    started(other, "short")
    other:close()
    assert.equal(2, count_of(store))
  end)

  it("deletes no run that somebody resumes, nor one that could not be resumed just now", function()
    local store = new()
    old_runs(store, 2, 1)
    local other = new()
    assert(other:take "old1")
    other:release(assert(other:take "old2"))
    other:tidy()
    assert.equal(2, count_of(store))
    other:close()
    assert.equal(2, count_of(store))
  end)

  it("keeps what a sub-run came to while its parent goes on", function()
    local store = new()
    local lease = started(store, "parent")
    old_runs(store, 1, 1, "parent")
    assert.equal(0, store:prune(1000))
    store:say_state(lease, { status = "completed", time = 5, steps = 0, released = true })
    assert(store:commit())
    assert.equal(2, store:prune(1000))
    assert.same({}, store:query "SELECT number FROM program")
  end)

  it("deletes runs that ended long ago, with all that is theirs", function()
    local store = new()
    local lease = started(store, "r")
    started(store, "other")
    store:say_state(lease, { status = "completed", time = 5, steps = 0, released = true })
    assert(store:commit())
    assert.equal(0, store:prune(5))
    assert.equal(1, store:prune(6))
    assert.is_false(store:exists "r")
    assert.is_true(store:exists "other")
    assert.equal(1, store:query("SELECT count(*) AS n FROM journal")[1].n)
  end)
end)
