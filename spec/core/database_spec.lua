-- SQLite in the core: questions, batches with guards, the thread, and every way to end.

local core = require "orchlua.core"

describe("loop:database", function()
  local folder, loop, db
  before_each(function()
    folder = io.popen("mktemp -d -p /dev/shm 2>/dev/null || mktemp -d"):read "l"
    loop = core.loop.new()
    db = assert(loop:database { path = folder .. "/d.db" })
    assert(db:execute "PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER PRIMARY KEY, body TEXT UNIQUE)")
  end)
  after_each(function()
    loop:close()
    os.execute("rm -rf " .. folder)
  end)

  local function bodies()
    local list = {}
    for i, row in ipairs(assert(db:query "SELECT body FROM t ORDER BY n")) do list[i] = row.body end
    return table.concat(list, " ")
  end

  it("answers questions, with values of every kind", function()
    local rows = assert(db:query("SELECT ?1 AS i, ?2 AS d, ?3 AS s, ?4 AS n, ?5 AS b", 2 ^ 53 | 0, 0.1, "a\0ü", nil, true))
    assert.same({ i = 2 ^ 53 | 0, d = 0.1, s = "a\0ü", b = 1 }, rows[1])
    local none, err = db:query "SELECT nonsense"
    assert.is_nil(none)
    assert.equal("store", err.type)
    assert.has_error(function() db:query("SELECT ?", {}) end)
  end)

  it("does all of a batch, or nothing of it", function()
    local insert = db:statement "INSERT INTO t (body) VALUES (?)"
    db:add(insert, 0, "a")
    db:add(insert, 0, "b")
    assert.same({}, db:commit())
    db:add(insert, 0, "c")
    db:add(insert, 0, "a")
    local none, err = db:commit()
    assert.is_nil(none)
    assert.matches("UNIQUE", err.message)
    assert.equal("a b", bodies())
    assert.equal(0, (db:pending()))
    db:add(insert, 0, "d")
    assert(db:commit())
    assert.equal("a b d", bodies())
  end)

  it("says why a statement of a batch cannot be prepared, and takes the next batch", function()
    local insert, wrong = db:statement "INSERT INTO t (body) VALUES (?)", db:statement "INSERT INTO nowhere VALUES (?)"
    db:add(insert, 0, "a")
    db:add(wrong, 0, "b")
    local none, err = db:commit()
    assert.is_nil(none)
    assert.matches("no such table", err.message)
    db:add(insert, 0, "c")
    assert.same({}, db:commit())
    assert.equal("c", bodies())
  end)

  it("takes back what was added last", function()
    local insert = db:statement "INSERT INTO t (body) VALUES (?)"
    db:add(insert, 0, "a")
    local count, bytes = db:pending()
    db:add(insert, 0, "b")
    db:truncate(count, bytes)
    assert.same({ count, bytes }, { db:pending() })
    assert.same({}, db:commit())
    assert.equal("a", bodies())
    assert.has_error(function() db:truncate(1, 0) end)
  end)

  it("leaves out what stands behind a guard that refuses, up to the next one", function()
    local insert, guard, changed = db:statement "INSERT INTO t (body) VALUES (?)", db:statement "SELECT 1 WHERE ? = 1", db:statement "UPDATE t SET body = body WHERE body = ?"
    local found = db:statement "SELECT body, n FROM t ORDER BY n"
    db:guard(guard, -1, 1)
    db:add(insert, 0, "a")
    db:guard(guard, -2, 0)
    db:add(insert, 0, "b")
    db:guard(changed, -3, "a")
    db:add(insert, 0, "c")
    db:guard(changed, -4, "nobody")
    db:add(insert, 0, "d")
    db:guard(guard, -5, 1)
    db:add(found, 7)
    assert.same({ { -2 }, { -4 }, { 7, "a", 1 }, { 7, "c", 2 } }, db:commit())
  end)

  it("commits on its thread, and calls back in a turn", function()
    local insert, called = db:statement "INSERT INTO t (body) VALUES (?)", 0
    for i = 1, 50 do
      db:add(insert, 0, "row " .. i)
      db:commit_later(function(answers, err)
        assert.is_table(answers, err and err.message)
        called = called + 1
      end)
      assert.has_error(function() db:commit_later(function() end) end)
      db:add(insert, 0, "more " .. i)
      while called < i do loop:turn() end
    end
    assert(db:commit())
    assert.equal(50, called)
    assert.equal(100, db:query("SELECT count(*) AS n FROM t")[1].n)
    db:add(insert, 0, "row 1")
    db:commit_later(function(_, err) called = err.message end)
    while called == 50 do loop:turn() end
    assert.matches("UNIQUE", called)
  end)

  it("waits for what is with the thread, when it is told to, and calls nobody back", function()
    local insert = db:statement "INSERT INTO t (body) VALUES (?)"
    for _ = 1, 20 do
      db:add(insert, 0, nil)
      db:commit_later(function() error "nobody is called any more" end)
      local answers, err, seconds = db:settle()
      assert.same({}, answers)
      assert.is_nil(err)
      assert.is_true(seconds >= 0)
      loop:turn(0)
    end
    assert.has_error(function() db:settle() end)
    assert.equal(20, db:query("SELECT count(*) AS n FROM t")[1].n)
  end)

  it("commits what is with the thread when it is closed; may be closed twice, and used no more", function()
    local insert = db:statement "INSERT INTO t (body) VALUES (?)"
    db:add(insert, 0, "kept")
    db:commit_later(function() error "nobody is called any more" end)
    db:close()
    db:close()
    assert.has_error(function() db:query "SELECT 1" end)
    db = assert(loop:database { path = folder .. "/d.db" })
    assert.equal("kept", bodies())
  end)

  it("makes its log longer ahead when it is told to, and whoever reads it finds its end", function()
    local function commit(ahead, count)
      db = assert(loop:database { path = folder .. "/d.db", log_ahead = ahead })
      local insert = db:statement "INSERT INTO t (body) VALUES (?)"
      for _ = 1, count do
        db:add(insert, 0, nil)
        assert.same({}, db:commit())
      end
      return tonumber(io.popen("stat -c %s " .. folder .. "/d.db-wal"):read "l")
    end
    db:close()
    local plain = commit(false, 60)
    db:close()
    assert.is_true(commit(true, 60) >= 3 * plain / 2)
    -- As after a crash: nobody has closed this copy.
    os.execute(("cp %s/d.db %s/copy.db; cp %s/d.db-wal %s/copy.db-wal"):format(folder, folder, folder, folder))
    local copy <close> = assert(loop:database { path = folder .. "/copy.db" })
    assert.equal(120, copy:query("SELECT count(*) AS n FROM t")[1].n)
    assert.equal("ok", copy:query("PRAGMA integrity_check")[1].integrity_check)
    assert.is_true(commit(true, 3000) < 6 * 1024 * 1024)
  end)

  it("is collected, and so closed, when nobody holds it", function()
    db = nil
    collectgarbage() collectgarbage()
    assert.equal(0, loop:handles())
  end)

  it("makes its file for its owner alone, and says why it cannot", function()
    assert.equal("600", io.popen("stat -c %a " .. folder .. "/d.db"):read "l")
    local none, err = loop:database { path = folder .. "/no/such/folder.db" }
    assert.is_nil(none)
    assert.equal("store", err.type)
    assert.equal(1, loop:handles())
  end)
end)

describe("loop:watch", function()
  it("calls back once for a write by another process, and does not keep the loop active", function()
    local loop, path, calls = core.loop.new(), os.tmpname(), 0
    local watch = assert(loop:watch(path, function() calls = calls + 1 end))
    assert.is_false(loop:turn(0))
    os.execute("echo x > " .. path)
    for _ = 1, 50 do
      if calls > 0 then break end
      loop:turn(0.02)
    end
    assert.is_true(calls >= 1)
    watch:close()
    watch:close()
    local none, err = loop:watch("/no/such/file", function() end)
    assert.is_nil(none)
    assert.equal("system", err.type)
    loop:close()
    os.remove(path)
  end)
end)
