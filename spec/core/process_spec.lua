-- Processes of the loop: real ones, and nothing of them is left.

local core = require "orchlua.core"
local turning = require "spec.support.turning"

local run, sleep, eventually = turning.run, turning.sleep, turning.eventually

local function wait(loop, options)
  local handle <close> = assert(loop:process(options))
  return handle:wait()
end

local function options_of(script, options)
  options = options or {}
  options.args = { "sh", "-c", script }
  return options
end

-- The result of a shell script.
local function sh(script, options)
  return run(function(loop) return wait(loop, options_of(script, options)) end)
end

local function result(fields)
  return { status = fields.status, signal = fields.signal, stdout = fields.stdout or "", stderr = fields.stderr or "", overflow = false }
end

local function read_number(path)
  local file <close> = io.open(path)
  return file and file:read "n"
end

describe("a process", function()
  it("gives its status and what it wrote", function()
    assert.same(result { status = 3, stdout = "out", stderr = "err" }, sh "printf out; printf err >&2; exit 3")
    assert.same(result { status = 0 }, sh "true")
  end)

  it("gives the signal that ended it", function()
    for _, name in ipairs { "KILL", "TERM", "INT", "ABRT", "PIPE" } do
      assert.same(result { signal = name }, sh(("kill -%s $$"):format(name)))
    end
  end)

  it("gets its arguments as they are", function()
    run(function(loop)
      local outcome = wait(loop, { args = { "printf", "%s|", "a b", "$HOME", "'\"", "", "é\xFF" } })
      assert.equal("a b|$HOME|'\"||é\xFF|", outcome.stdout)
    end)
  end)

  it("reads all of its input, and its end", function()
    local text = ("x\0\xFF\n"):rep(1000000)
    run(function(loop)
      assert.equal(text, wait(loop, { args = { "cat" }, stdin = text }).stdout)
      assert.equal("", wait(loop, { args = { "cat" }, stdin = "" }).stdout)
      assert.equal("", wait(loop, { args = { "cat" } }).stdout)
    end)
  end)

  it("may close its input early, or end without reading it", function()
    local text = ("x"):rep(4000000)
    assert.same(result { status = 0, stdout = "done\n" }, sh("exec <&-; sleep 0.1; echo done", { stdin = text }))
    assert.same(result { status = 0 }, sh("true", { stdin = text }))
    assert.equal("x", sh("head -c 1", { stdin = text }).stdout)
  end)

  it("may open its standard files by name", function()
    local outcome = sh("cat /dev/stdin; echo more > /dev/stderr", { stdin = "text" })
    assert.same(result { status = 0, stdout = "text", stderr = "more\n" }, outcome)
  end)

  it("runs in the folder it is told", function()
    assert.equal("/\n", sh("pwd", { cwd = "/" }).stdout)
  end)

  it("has our environment, another, or ours with some changed", function()
    local own = os.getenv "PATH"
    local show = 'printf "%s|%s" "$ADDED" "$PATH"'
    assert.equal("|" .. own, sh(show).stdout)
    assert.equal("v=1|/bin:/usr/bin", sh(show, { env = { ADDED = "v=1", PATH = "/bin:/usr/bin" } }).stdout)
    assert.equal("v=1|" .. own, sh(show, { env = { ADDED = "v=1" }, inherit_env = true }).stdout)
    assert.equal("|/bin", sh(show, { env = { PATH = "/bin" }, inherit_env = true }).stdout)
    run(function(loop) assert.equal("A=1\n", wait(loop, { args = { "/usr/bin/env" }, env = { A = "1" } }).stdout) end)
  end)

  it("has the signals' default handling, none blocked", function()
    local text = sh("grep -E 'Sig(Blk|Ign)' /proc/self/status").stdout
    -- 32 and 33 are the C library's own: no program can change how they are handled
    for mask in text:gmatch ":%s*(%x+)" do assert.equal(0, tonumber(mask, 16) & ~0x180000000) end
  end)

  it("has no files of ours", function()
    local file <close> = assert(io.open "/etc/passwd") -- without O_CLOEXEC
    run(function(loop)
      local other <close> = loop:process { args = { "sleep", "10" }, stdin = ("x"):rep(1000000) }
      -- `ls` itself opens the folder as the fourth
      assert.equal("0\n1\n2\n3\n", wait(loop, { args = { "ls", "/proc/self/fd" } }).stdout)
      assert.truthy(other)
    end)
    assert.truthy(file)
  end)

  it("leads a group and a session of its own", function()
    run(function(loop)
      local handle <close> = loop:process { args = { "sh", "-c", "cut -d' ' -f1,5,6 /proc/$$/stat" } }
      local pid = handle:pid()
      assert.equal(("%d %d %d\n"):format(pid, pid, pid), handle:wait().stdout)
      assert.equal(pid, handle:pid())
    end)
  end)

  it("can be asked for its result again", function()
    run(function(loop)
      local handle <close> = loop:process(options_of "echo once")
      assert.same(handle:wait(), handle:wait())
    end)
  end)

  it("runs beside others", function()
    run(function(loop)
      local works, before = {}, loop:now()
      for i = 1, 20 do
        works[i] = function() assert.equal(i, wait(loop, options_of(("sleep 0.3; exit %d"):format(i))).status) end
      end
      turning.all(loop, works)
      assert.is_true(loop:now() - before < 3)
    end)
  end)

  it("leaves nothing after a thousand in sequence", function()
    run(function(loop)
      wait(loop, { args = { "true" } })
      local before = turning.files()
      for _ = 1, 1000 do assert.equal(0, wait(loop, { args = { "true" }, stdin = "x" }).status) end
      sleep(loop, 0)
      assert.equal(before, turning.files())
      assert.equal(0, turning.zombies())
    end)
  end)
end)

describe("output", function()
  it("of a flood stops at the limit, and the group is killed", function()
    run(function(loop)
      local handle <close> = loop:process(options_of("yes & yes", { limit = 100000 }))
      local outcome = handle:wait()
      assert.is_true(outcome.overflow)
      assert.equal("KILL", outcome.signal)
      assert.equal(100000, #outcome.stdout)
      assert.is_true(eventually(loop, function() return #turning.group(handle:pid()) == 0 end))
    end)
  end)

  it("of exactly the limit is whole", function()
    for _, size in ipairs { 0, 1, 4095, 4096, 4097, 65536, 100000 } do
      local outcome = sh(("head -c %d /dev/zero"):format(size), { limit = size })
      assert.equal(size, #outcome.stdout)
      assert.is_false(outcome.overflow)
      assert.is_true(sh(("head -c %d /dev/zero"):format(size + 1), { limit = size }).overflow)
    end
  end)

  it("on standard error is kept to its end", function()
    for _, size in ipairs { 65535, 65536, 65537, 131072, 131073, 1000000 } do
      local outcome = sh(("head -c %d /dev/zero | tr '\\0' x >&2; printf end >&2"):format(size))
      assert.equal(math.min(size + 3, 65536), #outcome.stderr)
      assert.equal("xend", outcome.stderr:sub(-4))
      assert.equal(0, outcome.status)
    end
  end)

  it("in a flood does not keep timers waiting", function()
    run(function(loop)
      local flood <close> = loop:process { args = { "yes" }, limit = 1 << 30 }
      local other <close> = loop:process(options_of("yes >&2"))
      for _ = 1, 20 do
        local before = core.loop.clock()
        sleep(loop, 0.01)
        assert.is_true(core.loop.clock() - before < 0.5)
      end
      assert.truthy(flood and other)
    end)
  end)

  it("that a grandchild holds open is waited for 1 s, then the group is killed", function()
    run(function(loop)
      local handle <close> = loop:process(options_of "sleep 100 & echo started")
      local before = loop:now()
      assert.same(result { status = 0, stdout = "started\n" }, handle:wait())
      local took = loop:now() - before
      assert.is_true(took > 0.9 and took < 3)
      assert.is_true(eventually(loop, function() return #turning.group(handle:pid()) == 0 end))
    end)
  end)

  it("of a grandchild within that time is taken", function()
    assert.equal("first\nsecond\n", sh("(sleep 0.2; echo second) & echo first").stdout)
  end)

  it("closed by a grandchild does not keep it alive", function()
    run(function(loop)
      local handle <close> = loop:process(options_of "sleep 100 >/dev/null 2>&1 &")
      assert.equal(0, handle:wait().status)
      assert.is_true(eventually(loop, function() return #turning.group(handle:pid()) == 0 end))
    end)
  end)

  it("that ends before the program does is no end of the program", function()
    assert.same(result { status = 7, stdout = "x" }, sh "printf x; exec >&- 2>&-; sleep 0.2; exit 7")
  end)
end)

describe("closing a process", function()
  it("ends the whole group", function()
    run(function(loop)
      local handle = loop:process(options_of "sleep 100 & sleep 100 & wait")
      assert.is_true(eventually(loop, function() return #turning.group(handle:pid()) == 3 end))
      handle:close()
      assert.is_true(eventually(loop, function() return #turning.group(handle:pid()) == 0 end))
      assert.equal("cancelled", select(2, handle:wait()).type)
    end)
  end)

  it("lets it put its things in order", function()
    local name = os.tmpname()
    run(function(loop)
      local handle = loop:process(options_of(("trap 'echo warned; echo 7 > %s; exit' TERM; echo; while :; do sleep 0.01; done"):format(name)))
      sleep(loop, 0.2)
      handle:close()
      assert.is_true(eventually(loop, function() return read_number(name) == 7 end))
      assert.is_true(eventually(loop, function() return not turning.is_running(handle:pid()) end))
    end)
    os.remove(name)
  end)

  it("kills what ignores it after its grace", function()
    run(function(loop)
      local handle = loop:process(options_of("trap '' TERM; sleep 100 & while :; do sleep 1; done", { grace = 0.3 }))
      local pid = handle:pid()
      assert.is_true(eventually(loop, function() return #turning.group(pid) >= 3 end))
      local before = loop:now()
      handle:close()
      sleep(loop, 0.15)
      assert.is_true(turning.is_running(pid))
      assert.is_true(eventually(loop, function() return #turning.group(pid) == 0 end))
      assert.is_true(loop:now() - before < 2)
      assert.is_true(eventually(loop, function() return turning.zombies() == 0 end))
    end)
  end)

  it("without a grace kills at once", function()
    run(function(loop)
      local handle = loop:process(options_of("trap '' TERM; while :; do sleep 1; done", { grace = 0 }))
      sleep(loop, 0.1)
      handle:close()
      assert.is_true(eventually(loop, function() return #turning.group(handle:pid()) == 0 end))
    end)
  end)

  it("happens when the coroutine that waits is closed", function()
    run(function(loop)
      local pid
      local co = coroutine.create(function()
        local handle <close> = loop:process { args = { "sleep", "100" } }
        pid = handle:pid()
        handle:wait()
      end)
      loop:resume(co)
      assert.is_true(turning.is_running(pid))
      assert(coroutine.close(co))
      assert.is_true(eventually(loop, function() return not turning.is_running(pid) end))
    end)
  end)

  it("happens when nobody holds it any more", function()
    run(function(loop)
      local pid = loop:process({ args = { "sleep", "100" }, stdin = ("x"):rep(1000000) }):pid()
      collectgarbage()
      collectgarbage()
      assert.is_true(eventually(loop, function() return not turning.is_running(pid) end))
      assert.equal(0, loop:handles())
    end)
  end)

  it("with the loop kills at once what ignores it, and leaves no zombie", function()
    local loop = core.loop.new()
    local pids = {}
    for i = 1, 5 do
      local handle = loop:process(options_of("trap '' TERM; echo; while :; do sleep 1; done", { grace = 60 }))
      pids[i] = handle:pid()
      if i % 2 == 0 then handle:close() end
    end
    loop:turn(0.2)
    local before = core.loop.clock()
    loop:close()
    assert.is_true(core.loop.clock() - before < 2)
    for _, pid in ipairs(pids) do assert.is_nil((turning.process(pid))) end
  end)

  it("in the background keeps the loop active until it is done", function()
    local loop <close> = core.loop.new()
    local handle = loop:process { args = { "sleep", "100" } }
    handle:close()
    assert.equal(0, loop:handles())
    while loop:turn() do end
    assert.is_nil((turning.process(handle:pid())))
  end)
end)

describe("a process that cannot start", function()
  local function problem_of(options)
    return run(function(loop)
      local handle, problem = loop:process(options)
      assert.is_nil(handle)
      assert.equal(0, loop:handles())
      return problem
    end)
  end

  it("is an error that says why", function()
    assert.same({ type = "spawn", message = "cannot start `./no-such-program`: no such file or directory" },
      problem_of { args = { "./no-such-program", "x" } })
    assert.same({ type = "spawn", message = "cannot start `no-such-program`: no such file or directory" },
      problem_of { args = { "no-such-program" } })
    assert.same({ type = "spawn", message = "cannot start `/`: permission denied" }, problem_of { args = { "/" }, stdin = "x" })
    assert.same({ type = "spawn", message = "cannot start `true` in the folder `/no/such`: no such file or directory" },
      problem_of { args = { "true" }, cwd = "/no/such" })
  end)

  it("leaves nothing, however often", function()
    run(function(loop)
      for _ = 1, 300 do assert.is_nil((loop:process { args = { "./no-such-program" }, stdin = "x" })) end
    end)
  end)

  it("raises on bad arguments", function()
    local loop <close> = core.loop.new()
    local bad = {
      7, {}, { args = "true" }, { args = {} }, { args = { 7 } }, { args = { "" } }, { args = { "a\0b" } }, { args = { "true", "a\0b" } },
      { args = { "true" }, cwd = 7 }, { args = { "true" }, cwd = "a\0b" }, { args = { "true" }, env = "x" }, { args = { "true" }, env = { ["="] = "" } },
      { args = { "true" }, env = { [""] = "x" } }, { args = { "true" }, env = { a = 1 } }, { args = { "true" }, env = { a = "a\0" } },
      { args = { "true" }, stdin = 7 }, { args = { "true" }, limit = -1 }, { args = { "true" }, limit = 0.5 }, { args = { "true" }, grace = -1 },
      { args = { "true" }, grace = "x" }
    }
    for _, options in ipairs(bad) do assert.has_error(function() loop:process(options) end) end
    assert.equal(0, loop:handles())
  end)
end)
