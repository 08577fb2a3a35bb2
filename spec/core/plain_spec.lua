-- Requests that go straight to a server: the connections they are sent on.

local broken = require "spec.support.broken"
local origins = require "spec.support.origin"
local turning = require "spec.support.turning"

local run, sleep, saying = turning.run, turning.sleep, origins.saying

local OK = "HTTP/1.1 200 OK\r\n"

local origin

-- The body and the head of an answer; or nil, an error.
local function ask(loop, path, options)
  options = options or {}
  options.url = options.url or origin.url .. path
  local handle <close> = assert(loop:request(options))
  local head, problem = handle:head()
  if not head then return nil, problem end
  local body, failure = handle:body()
  return body, failure or head
end

local function connection_of(loop, path, options)
  local body, head = ask(loop, path, options)
  assert(body, head.message)
  return head.headers["x-connection"], body
end

describe("a request straight to a server", function()
  setup(function() origin = origins.start() end)
  teardown(function() origin.stop() end)

  it("finds localhost at whichever address listens", function()
    run(function(loop)
      local url = ("http://localhost:%d/echo"):format(origin.port)
      local body, head = ask(loop, nil, { url = url })
      assert.truthy(body:find(("\nHost: localhost:%d\n"):format(origin.port), 1, true))
      assert.equal(url, head.url)
      local none, problem = ask(loop, nil, { url = "http://localhost:1/" })
      assert.is_nil(none)
      assert.same({ type = "transport", message = "cannot connect to localhost:1: connection refused", unsent = true }, problem)
    end)
  end)

  it("understands numbers of IPv6", function()
    run(function(loop)
      local body, problem = ask(loop, nil, { url = "http://[::1]:1/" })
      assert.is_nil(body)
      assert.truthy(problem.message:find("cannot connect to [::1]:1: ", 1, true))
    end)
  end)

  it("takes an answer apart however it comes", function()
    run(function(loop)
      local body, head = ask(loop, saying("HTT", "P/1.1 200 OK\r", "\nX-A: 1\r\n  and ", "2\r\nTransfer-Encoding: chunked\r\n\r", "\n3\r\na", "bc\r\n0\r\n", "\r\n"))
      assert.equal("abc", body)
      assert.equal("1  and 2", head.headers["x-a"])
      assert.equal("all", ask(loop, saying("HTTP/1.0 200\r\nContent-Length: 3\r\n\r\nall")))
    end)
  end)

  it("fails on what is no answer, and says why", function()
    run(function(loop)
      local server = ("127.0.0.1:%d: "):format(origin.port)
      local body, problem = ask(loop, saying(OK .. "Content-Length: x\r\n\r\n"))
      assert.is_nil(body)
      assert.same({ type = "transport", message = server .. "the length of the answer is no number" }, problem)
      body, problem = ask(loop, "/silence")
      assert.is_nil(body)
      assert.same({ type = "transport", message = server .. "the server closed the connection without an answer" }, problem)
      body, problem = ask(loop, "/cut")
      assert.is_nil(body)
      assert.same({ type = "transport", message = server .. "the server closed the connection before the answer was whole" }, problem)
    end)
  end)

  it("shares connections with those to other paths of the server, and leaves one that it cannot trust", function()
    run(function(loop)
      local first = connection_of(loop, "/body/1")
      assert.equal(first, (connection_of(loop, "/body/2", { method = "PUT", body = "x" })))
      assert.equal(first, (connection_of(loop, "/body/3", { method = "HEAD" })))
      ask(loop, saying(OK .. "Content-Length: 2\r\n\r\nok and something else"))
      local second = connection_of(loop, "/body/1")
      assert.not_equal(first, second)
      ask(loop, saying(OK .. "Content-Length: 2\r\n\r\nok", "late"))
      sleep(loop, 0.1)
      assert.not_equal(second, (connection_of(loop, "/body/1")))
    end)
  end)

  it("never takes what came late for its own answer", function()
    run(function(loop)
      local late = OK .. "Content-Length: 5\r\n\r\nother"
      assert.equal("ok", ask(loop, saying(OK .. "Content-Length: 2\r\n\r\nok", late)))
      os.execute "sleep 0.1" -- it comes while the loop does not turn
      assert.equal("xxx", ask(loop, "/body/3"))
    end)
  end)

  it("closes idle connections when there are no files for another", function()
    local program = os.tmpname()
    local file <close> = assert(io.open(program, "w"))
    file:write(([[
      local loop = require("orchlua.core").loop.new()
      local handles, ended = {}, 0
      local function ask(url)
        local handle <close> = assert(loop:request { url = url })
        local head, problem = handle:head()
        if not head then return problem.message end
        return handle:body()
      end
      local function at_once(url, count)
        local answers, left = {}, count
        for i = 1, count do
          loop:resume(coroutine.create(function()
            answers[i] = ask(url)
            left = left - 1
          end))
        end
        while left > 0 do loop:turn() end
        return answers
      end
      local first = at_once("%s/slow/0.1", 40)
      local counts = {}
      for _, answer in ipairs(first) do counts[answer] = (counts[answer] or 0) + 1 end
      assert(counts.late > 10)
      assert(counts["cannot connect to 127.0.0.1:%d: too many open files"] == 40 - counts.late)
      print(at_once("http://localhost:%d/body/5", 1)[1])
    ]]):format(origin.url, origin.port, origin.port))
    file:close()
    local pipe = assert(io.popen(("ulimit -n 30; %s %s 2>&1"):format(broken.lua, program)))
    assert.equal("xxxxx\n", pipe:read "a")
    pipe:close()
    os.remove(program)
  end)

  it("leaves to libcurl what libcurl reads otherwise", function()
    run(function(loop)
      local body = ask(loop, nil, { url = ("http://127.0.0.1:%d/a/../echo#y"):format(origin.port) })
      assert.truthy(body:find("GET /echo HTTP/1.1\n", 1, true))
      local none, problem = ask(loop, nil, { url = "http://[::1%25lo]:1/" })
      assert.is_nil(none)
      assert.truthy(problem.message:find("cannot connect to ::1:1: ", 1, true) or problem.message:find("cannot connect to [::1]:1: ", 1, true), problem.message)
    end)
  end)

  it("is sent again when a used connection ends without a byte, and not when a new one does", function()
    run(function(loop)
      local first = connection_of(loop, "/first")
      local second, body = connection_of(loop, "/first", { body = ("x"):rep(100000) })
      assert.equal("first", body)
      assert.not_equal(first, second)
      ask(loop, "/leave")
      sleep(loop, 0.05)
      assert.equal("first", (select(2, connection_of(loop, "/first"))))
      assert.is_nil((ask(loop, "/silence")))
    end)
  end)

  it("leaves a connection on which it was not sent whole before the answer came", function()
    run(function(loop)
      for _ = 1, 3 do
        local body, problem = ask(loop, "/early", { body = ("x"):rep(10000000) })
        assert.equal("early", body, problem.message)
        assert.equal("xxx", ask(loop, "/body/3"))
      end
    end)
  end)

  it("can be given up at any moment, whatever the server does", function()
    local paths = { "/body/5", "/body/3000000", "/slow/0.01", "/pieces/5/0.002", "/cut", "/leave", "/first", "/reset", "/reset/open", "/early", "/silence", "/endless" }
    local large = ("x"):rep(3000000)
    run(function(loop)
      local function give_up(handle)
        sleep(loop, math.random() * 0.03)
        handle:close()
      end
      local works = {}
      for i = 1, 120 do
        works[i] = function()
          sleep(loop, math.random() * 0.3)
          local handle = assert(loop:request { url = origin.url .. paths[i % #paths + 1], body = i % 5 == 0 and large or nil })
          loop:resume(coroutine.create(function() give_up(handle) end))
          if handle:head() and i % 2 == 0 then handle:read() end
          handle:body()
        end
      end
      turning.all(loop, works)
      sleep(loop, 0.05)
      assert.equal("xxxxx", ask(loop, "/body/5"))
    end)
  end)

  it("keeps the loop alive no longer than it lasts", function()
    local core = require "orchlua.core"
    local loop <close> = core.loop.new()
    local done = false
    loop:resume(coroutine.create(function() done = ask(loop, "/body/5") == "xxxxx" end))
    repeat until not loop:turn()
    assert.is_true(done)
  end)

  it("goes through the proxy that the environment names", function()
    local program = os.tmpname()
    local file <close> = assert(io.open(program, "w"))
    file:write [[
      local loop = require("orchlua.core").loop.new()
      loop:resume(coroutine.create(function()
        local handle = loop:request { url = "http://192.0.2.1/echo" }
        print(assert(handle:head()) and handle:body())
      end))
      repeat until not loop:turn()
    ]]
    file:close()
    local pipe = assert(io.popen(("http_proxy=%s %s %s"):format(origin.url, broken.lua, program)))
    assert.equal("nothing here\n", pipe:read "a")
    pipe:close()
    os.remove(program)
  end)
end)
