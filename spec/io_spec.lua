-- Programs and HTTP as Lua code uses them: real processes, a real server.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local io = require "orchlua.io"
local peers = require "spec.support.peer"
local processes = require "spec.support.processes"
local turning = require "spec.support.turning"

local function exec(options)
  return turning.run(function(loop) return io.exec(loop, options) end)
end

local function sh(script, options)
  options = options or {}
  options[1], options[2], options[3] = "sh", "-c", script
  return exec(options)
end

local function elapsed(work)
  local before = core.loop.clock()
  work()
  return core.loop.clock() - before
end

describe("orchlua.exec", function()
  it("gives the status and what the program wrote", function()
    assert.same({ status = 3, stdout = "out", stderr = "err" }, sh "printf out; printf err >&2; exit 3")
  end)

  it("hands over arguments as they are, without a shell", function()
    local outcome = exec { "printf", "%s|", "a b", "$HOME", "'\"", "" }
    assert.equal("a b|$HOME|'\"||", outcome.stdout)
  end)

  it("writes all of standard input and then closes it", function()
    local text = ("x\0\xFF\n"):rep(500000)
    assert.equal(text, exec({ "cat", stdin = text }).stdout)
  end)

  it("closes standard input at once when there is nothing for it", function()
    assert.equal("", exec({ "cat" }).stdout)
  end)

  it("does not mind a program that closes its input early", function()
    local outcome = sh("exec <&-; sleep 0.1; echo done", { stdin = ("x"):rep(4000000) })
    assert.same({ status = 0, stdout = "done\n", stderr = "" }, outcome)
  end)

  it("runs in the folder it is told, and adds to the environment", function()
    assert.equal("/\n", sh("pwd", { cwd = "/" }).stdout)
    assert.equal("v=1 " .. os.getenv "PATH", sh('printf %s "$ADDED $PATH"', { env = { ADDED = "v=1" } }).stdout)
  end)

  it("tells the signal that ended a program", function()
    local outcome = sh "kill -KILL $$"
    assert.is_nil(outcome.status)
    assert.equal("KILL", outcome.signal)
  end)

  it("gives an error when the program or the folder is not there", function()
    for _, options in ipairs { { "./no-such-program", "x" }, { "true", cwd = "/no/such/folder" }, { "/" } } do
      local outcome, problem = exec(options)
      assert.is_nil(outcome)
      assert.is_true(errors.is(problem))
      assert.equal("exec", problem.type)
      assert.truthy(problem.message:find("^cannot start `"))
    end
  end)

  it("stops a program that writes more than its limit", function()
    local outcome, problem
    assert.is_true(elapsed(function() outcome, problem = exec { "yes", limit = 100000 } end) < 3)
    assert.is_nil(outcome)
    assert.equal("limit", problem.type)
    assert.equal("`yes` wrote more than 100000 bytes", problem.message)
  end)

  it("takes output of exactly its limit", function()
    assert.equal(100000, #sh("head -c 100000 /dev/zero", { limit = 100000 }).stdout)
  end)

  it("ends a program at its time-out, whatever it started and whatever it ignores", function()
    local file = os.tmpname()
    local outcome, problem
    local script = ("trap '' TERM; sleep 30 & echo $! $$ > %s; while :; do sleep 1; done"):format(file)
    local took = elapsed(function()
      turning.run(function(loop)
        outcome, problem = io.exec(loop, { "sh", "-c", script, timeout = 0.3 })
        turning.sleep(loop, 1.5) -- TERM, a second's grace, KILL
      end)
    end)
    assert.is_nil(outcome)
    assert.equal("timeout", problem.type)
    assert.equal("took longer than 0.3 s", problem.message)
    assert.is_true(took < 5)
    local pids = processes.listed(file)
    assert.equal(2, #pids)
    for _, pid in ipairs(pids) do assert.is_false(turning.is_running(pid)) end
  end)

  it("ends the program when the coroutine that waits is closed", function()
    local file = os.tmpname()
    turning.run(function(loop)
      local co = coroutine.create(function() io.exec(loop, { "sh", "-c", "echo $$ > " .. file .. "; exec sleep 30" }) end)
      loop:resume(co)
      turning.sleep(loop, 0.3)
      assert(coroutine.close(co))
      turning.sleep(loop, 0.3)
    end)
    assert.is_false(turning.is_running(processes.listed(file)[1]))
  end)

  it("runs many programs side by side", function()
    local count = 0
    local took = elapsed(function()
      turning.run(function(loop)
        for _ = 1, 20 do
          loop:resume(coroutine.create(function()
            assert.equal(0, io.exec(loop, { "sleep", "0.5" }).status)
            count = count + 1
          end))
        end
        while count < 20 do
          turning.sleep(loop, 0.05)
        end
      end)
    end)
    assert.is_true(took < 4)
  end)

  it("raises on bad arguments", function()
    local bad = {
      {}, { 7 }, { "" }, { "a\0b" }, { "true", timeout = 0 }, { "true", timeout = "1" }, { "true", stdin = 1 }, { "true", env = { ["="] = "" } },
      { "true", limit = 0.5 }, { "true", tiemout = 1 }, { "true", nil, "x" }, "true"
    }
    for _, options in ipairs(bad) do
      local problem = turning.run(function(loop) return select(2, pcall(io.exec, loop, options)) end)
      assert.truthy(tostring(problem):find("orchlua.exec: ", 1, true))
    end
    assert.has_error(function() io.exec(nil, { "true" }) end)
  end)
end)

describe("orchlua.http", function()
  local peer
  setup(function() peer = peers.start() end)
  teardown(function() peer.stop() end)

  local function http(options)
    options.url = options.url or peer.url .. options.path
    options.path = nil
    return turning.run(function(loop) return io.http(loop, options) end)
  end

  it("gives status, headers, address and body", function()
    local response = assert(http { path = "/status/200?X-Thing=a+b" })
    assert.equal(200, response.status)
    assert.equal("a b", response.headers["x-thing"])
    assert.equal(peer.url .. "/status/200?X-Thing=a+b", response.url)
    assert.equal("", response.body)
  end)

  it("asks with GET, with POST when there is a body, and with the method it is told", function()
    assert.truthy(http({ path = "/echo" }).body:find "^GET /echo\n")
    assert.truthy(http({ path = "/echo", body = "b" }).body:find "^POST /echo\n")
    assert.truthy(http({ path = "/echo", body = "b", method = "PUT" }).body:find "^PUT /echo\n")
  end)

  it("sends headers and body as they are", function()
    local body = http({ path = "/echo", headers = { ["X-Key"] = "k; v" }, body = "a\0\xFF\n" }).body
    assert.truthy(body:find("\nX-Key: k; v\n", 1, true))
    assert.equal("a\0\xFF\n", body:sub(-4))
  end)

  it("sends a Lua value as JSON", function()
    local body = http({ path = "/echo", json = { b = { 1, 2 }, a = "é" } }).body
    assert.truthy(body:find("\nContent-Type: application/json\n", 1, true))
    assert.equal('{"a":"é","b":[1,2]}', body:match "[^\n]*$")
    body = http({ path = "/echo", json = false, headers = { ["content-type"] = "application/x" } }).body
    assert.truthy(body:find("\ncontent-type: application/x\n", 1, true))
    assert.is_nil(body:find("application/json", 1, true))
    assert.equal("false", body:match "[^\n]*$")
  end)

  it("reads an answer's JSON", function()
    local response = http { path = "/status/200", body = '{"a": [1, null]}' }
    assert.equal(1, response:json().a[1])
    assert.equal(core.value.null, response:json().a[2])
    local decoded, problem = http({ path = "/status/200", body = "{" }):json()
    assert.is_nil(decoded)
    assert.equal("json", problem.type)
  end)

  it("takes any status as an answer", function()
    assert.equal(404, http({ path = "/status/404" }).status)
    assert.equal(500, http({ path = "/status/500", body = "x" }).status)
  end)

  it("gives a transport error when nobody answers", function()
    for _, options in ipairs { { path = "/drop" }, { url = "http://127.0.0.1:1/" }, { url = "http://no-such-host.invalid/" } } do
      local response, problem = http(options)
      assert.is_nil(response)
      assert.is_true(errors.is(problem))
      assert.equal("transport", problem.type)
      assert.is_true(problem.retryable)
    end
  end)

  it("stops at its time-out, before the head and in the middle of the body", function()
    for _, path in ipairs { "/slow/5", "/trickle/5" } do
      local response, problem
      assert.is_true(elapsed(function() response, problem = http { path = path, timeout = 0.2 } end) < 2)
      assert.is_nil(response)
      assert.equal("timeout", problem.type)
    end
  end)

  it("refuses a body beyond its limit", function()
    local response, problem = http { path = "/body/2000000", limit = 1000000 }
    assert.is_nil(response)
    assert.equal("limit", problem.type)
    assert.equal(2000000, #http({ path = "/body/2000000", limit = 2000000 }).body)
  end)

  it("raises on bad arguments", function()
    local bad = {
      {}, { url = "x" }, { url = "http://h", method = "get" }, { url = "http://h", headers = { "A: b" } },
      { url = "http://h", headers = { A = "b\r\nC: d" } }, { url = "http://h", body = "x", json = 1 }, { url = "http://h", json = print },
      { url = "http://h", timeout = -1 }, { url = "http://h", stream = true }
    }
    for _, options in ipairs(bad) do
      local problem = turning.run(function(loop) return select(2, pcall(io.http, loop, options)) end)
      assert.truthy(tostring(problem):find("orchlua.http: ", 1, true))
    end
  end)
end)

describe("work with a deadline", function()
  it("returns what it returns, at once or after waiting", function()
    assert.same({ 1, nil, 3 }, { turning.run(function(loop) return io.within(loop, 1, function() return 1, nil, 3 end) end) })
    assert.equal("late", turning.run(function(loop)
      return io.within(loop, 5, function()
        turning.sleep(loop, 0.05)
        return "late"
      end)
    end))
  end)

  it("raises what it raises, at once or after waiting", function()
    for _, seconds in ipairs { 0, 0.05 } do
      assert.has_error(function()
        turning.run(function(loop)
          io.within(loop, 5, function()
            if seconds > 0 then
              local timer <close> = loop:timer(seconds)
              timer:wait()
            end
            error("no", 0)
          end)
        end)
      end, "no")
    end
  end)

  it("leaves nothing active behind", function()
    turning.run(function(loop)
      io.within(loop, 1000, function() end)
      io.within(loop, 0.01, function()
        turning.sleep(loop, 1000)
      end)
    end)
    local loop = core.loop.new()
    local done = false
    loop:resume(coroutine.create(function()
      io.within(loop, 1000, function()
        turning.sleep(loop, 0.01)
      end)
      done = true
    end))
    local before = core.loop.clock()
    while loop:turn(1) do assert.is_true(core.loop.clock() - before < 10) end
    assert.is_true(done)
    loop:close()
  end)

  it("can lie inside another, and the shorter one decides", function()
    local _, problem = turning.run(function(loop)
      return io.within(loop, 0.05, function()
        return io.within(loop, 1000, function()
          turning.sleep(loop, 1000)
        end)
      end)
    end)
    assert.equal("took longer than 0.05 s", problem.message)
  end)
end)

describe("an excerpt", function()
  it("is the whole text when that is short enough", function()
    assert.equal("aé", io.first("aé", 3))
    assert.equal("aé", io.last("aé", 3))
  end)

  it("never cuts a character in two", function()
    assert.equal("a", io.first("aéb", 2))
    assert.equal("b", io.last("aéb", 2))
    assert.equal("", io.first("😀", 3))
    assert.equal("", io.last("😀", 3))
    assert.equal("😀", io.first("😀x", 4))
  end)

  it("is valid where the text is not", function()
    assert.equal("a\u{FFFD}", io.first("a\xFF", 10))
    assert.equal("\u{FFFD}a", io.last("\xFFa", 10))
    for count = 1, 12 do
      local text = ("\x80é\xFF😀"):rep(3)
      assert.truthy(utf8.len(io.first(text, count)))
      assert.truthy(utf8.len(io.last(text, count)))
      assert.is_true(#io.first(text, count) <= count)
    end
  end)
end)
