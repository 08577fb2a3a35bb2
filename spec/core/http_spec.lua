-- HTTP requests of the loop, against a server in a process of its own.

local core = require "orchlua.core"
local origins = require "spec.support.origin"
local turning = require "spec.support.turning"

local run, sleep, eventually = turning.run, turning.sleep, turning.eventually

-- The same loopback address twice: a number is asked straight, and `127.1` is left to libcurl.
local WAYS = { ["straight to a server"] = "127.0.0.1", ["through libcurl"] = "127.1" }

local origin, host

local function url_of(path) return ("http://%s:%d%s"):format(host, origin.port, path) end

local function options_of(path, options)
  options = options or {}
  options.url = url_of(path)
  return options
end

-- The body and the head of a request that answers; or nil, an error and the head.
local function ask(loop, path, options)
  local handle <close> = assert(loop:request(options_of(path, options)))
  local head, problem = handle:head()
  if not head then return nil, problem end
  local body, broken = handle:body()
  return body, broken or head, head
end

local function once(path, options)
  return run(function(loop) return ask(loop, path, options) end)
end

-- The error of a request to an address.
local function problem_of(options)
  return run(function(loop)
    local handle <close>, refused = loop:request(options)
    if not handle then return refused end
    local head, problem = handle:head()
    assert.is_nil(head)
    assert.same({ nil, problem }, { handle:status() })
    assert.same({ nil, problem }, { handle:read() })
    assert.same({ nil, problem }, { handle:body() })
    return problem
  end)
end

local function transport(message) return { type = "transport", message = message } end

for way, number in pairs(WAYS) do describe("HTTP " .. way, function()
  setup(function()
    host = number
    origin = origins.start()
  end)
  teardown(function() origin.stop() end)

  describe("a request", function()
    it("has the answer's status, headers, address and body", function()
      local body, head = once "/body/5"
      assert.equal("xxxxx", body)
      assert.equal(200, head.status)
      assert.equal("5", head.headers["content-length"])
      assert.equal(origin.url .. "/body/5", head.url)
      assert.equal(404, select(2, once "/nothing").status)
    end)

    it("sends its method, headers and body, and little else", function()
      local port = ("Host: 127.0.0.1:%d\n"):format(origin.port)
      local common = port .. "User-Agent: orchlua\nAccept: */*\n"
      assert.equal("GET /echo HTTP/1.1\n" .. common .. "\n", once "/echo")
      assert.equal("DELETE /echo HTTP/1.1\n" .. common .. "\n", once("/echo", { method = "DELETE" }))
      assert.equal("POST /echo HTTP/1.1\n" .. common .. "Content-Length: 3\n\na\0b", once("/echo", { body = "a\0b" }))
      assert.equal("PUT /echo HTTP/1.1\n" .. common .. "Content-Length: 1\n\nx", once("/echo", { method = "PUT", body = "x" }))
      assert.equal("PATCH /echo HTTP/1.1\n" .. common .. "Content-Length: 0\n\n", once("/echo", { method = "PATCH" }))
      assert.equal("GET /echo HTTP/1.1\n" .. common .. "Content-Length: 1\n\nx", once("/echo", { method = "GET", body = "x" }))
      local headers = { { "X-A", "1" }, { "x-a", "two, three" }, { "X-Empty", "" }, { "User-Agent", "other" }, { "Content-Type", "text/plain" } }
      local echo = once("/echo", { headers = headers, body = "" })
      for _, header in ipairs(headers) do
        local line = ("%s: %s"):format(header[1], header[2]):match "^(.-) ?$"
        assert.truthy(echo:find("\n" .. line .. "\n", 1, true))
      end
      assert.is_nil(echo:find "orchlua")
    end)

    it("is sent as it says, whatever was asked at the same address before", function()
      local kinds = {
        { "^GET /echo HTTP/1.1\n", {} }, { "\n\nfirst$", { body = "first", headers = { { "X-A", "1" } } } }, { "\n\nother$", { body = "other" } },
        { "^DELETE ", { method = "DELETE" } }, { "^PATCH .*Content%-Length: 0\n\n$", { method = "PATCH" } }, { "^PUT .*\n\nx$", { method = "PUT", body = "x" } },
      }
      run(function(loop)
        for i = 1, 40 do
          local expected, options = table.unpack(kinds[i % #kinds + 1])
          local given = {}
          for name, field in pairs(options) do given[name] = field end
          local echo = ask(loop, "/echo", given)
          assert.matches(expected, echo)
          assert.equal(options.headers ~= nil, echo:find "X%-A" ~= nil)
          if i % 7 == 0 then assert.equal("transport", select(2, ask(loop, "/cut")).type) end
          if i % 5 == 0 then assert.equal(302, select(2, ask(loop, "/redirect")).status) end
        end
      end)
    end)

    it("has the headers that it gives, of which none comes twice, whatever was asked at the same address before", function()
      local function count(text, pattern) return select(2, text:gsub(pattern, "")) end
      run(function(loop)
        for _ = 1, 2 do
          assert.equal(1, count(ask(loop, "/echo"), "\nHost: "))
          local echo = ask(loop, "/echo", { headers = { { "Host", "other" } } })
          assert.equal(1, count(echo, "\nHost: "))
          assert.equal(1, count(echo, "\nHost: other\n"))
        end
      end)
    end)

    it("of a large body needs no permission to go on", function()
      local text = ("x"):rep(3000000)
      local echo = once("/echo", { body = text })
      assert.equal(text, echo:sub(-#text))
      assert.is_nil(echo:find("Expect", 1, true))
    end)

    it("for a head alone has no body", function()
      local body, head = once("/body/7", { method = "HEAD" })
      assert.equal("", body)
      assert.equal("7", head.headers["content-length"])
    end)

    it("keeps user and password of the address out of sight", function()
      run(function(loop)
        local handle <close> = loop:request { url = ("http://me:pass%%20word@127.0.0.1:%d/echo"):format(origin.port) }
        assert.equal(origin.url .. "/echo", handle:head().url)
        assert.truthy(handle:body():find("Authorization: Basic bWU6cGFzcyB3b3Jk\n", 1, true))
      end)
    end)

    it("raises on bad arguments and leaves nothing open", function()
      local loop <close> = core.loop.new()
      local url = url_of ""
      local bad = {
        7, {}, { url = 7 }, { url = "http://a\0b" }, { url = url, method = "" }, { url = url, method = "A B" }, { url = url, method = "GET\r\nX: y" },
        { url = url, body = 7 }, { url = url, headers = "x" }, { url = url, headers = { "x" } }, { url = url, headers = { { "x" } } },
        { url = url, headers = { { "a b", "c" } } }, { url = url, headers = { { "", "c" } } }, { url = url, headers = { { "a", "b\r\nc: d" } } },
        { url = url, headers = { { "a", "b\n" } } }, { url = url, headers = { { "a", "b\0c" } } }, { url = url, headers = { { "a:", "b" } } },
        { url = url, limit = -1 }, { url = url, connect_timeout = -1 }, { url = url, ca_file = 7 }
      }
      for _, options in ipairs(bad) do assert.has_error(function() loop:request(options) end) end
      assert.equal(0, loop:handles())
    end)
  end)

  describe("a head", function()
    it("is the last one, its headers in lower case, those of one name joined", function()
      local body, head = once "/interim"
      assert.equal("ok", body)
      assert.equal(200, head.status)
      assert.equal("one, two", head.headers["x-twice"])
      assert.equal("a=1, b=2", head.headers["set-cookie"])
      assert.equal("", head.headers["x-empty"])
      assert.is_nil(head.headers["x-early"])
      assert.is_nil(head.headers.link)
    end)

    it("may have a header that looks like a status, and blanks before a colon", function()
      local _, head = once(origins.saying("HTTP/1.1 200 OK\r\nHTTP/1.1 404: no\r\nX-A : 1\r\nContent-Length: 0\r\n\r\n"))
      assert.equal(200, head.status, head.message)
      assert.equal("no", head.headers["http/1.1 404"])
      assert.equal("1", head.headers["x-a"])
    end)

    it("has no trailer in it", function()
      local body, head = once "/trailer"
      assert.equal("ok", body)
      assert.is_nil(head.headers["x-late"])
    end)

    it("is there before the body", function()
      run(function(loop)
        local handle <close> = loop:request(options_of "/pieces/2/0.3")
        local before = loop:now()
        assert.equal(200, handle:status())
        assert.equal(200, handle:head().status)
        assert.is_true(loop:now() - before < 0.25)
        assert.equal("12", handle:body())
        assert.is_true(loop:now() - before > 0.25)
        assert.equal(200, handle:head().status)
      end)
    end)

    it("of a redirect is an answer: it is not followed", function()
      local body, head = once "/redirect"
      assert.equal("elsewhere", body)
      assert.equal(302, head.status)
      assert.equal("/echo", head.headers.location)
    end)
  end)

  describe("a body", function()
    it("comes in pieces, as they are sent", function()
      run(function(loop)
        local handle <close> = loop:request(options_of "/pieces/4/0.1")
        local last = loop:now()
        for i = 1, 4 do
          assert.equal(tostring(i), handle:read())
          if i > 1 then assert.is_true(loop:now() - last > 0.05 and loop:now() - last < 0.3) end
          last = loop:now()
        end
        assert.same({ n = 1 }, table.pack(handle:read()))
        assert.same({ n = 1 }, table.pack(handle:read()))
      end)
    end)

    it("can be read after its end has come", function()
      run(function(loop)
        local handle <close> = loop:request(options_of "/body/100000")
        sleep(loop, 0.3)
        assert.equal(100000, #handle:read())
        assert.is_nil(handle:read())
        assert.equal("", handle:body())
      end)
    end)

    it("of 20 MB comes whole, in one or in pieces of bounded size", function()
      run(function(loop)
        assert.equal(20000000, #ask(loop, "/body/20000000"))
        local handle <close> = loop:request(options_of "/body/20000000")
        local size, most = 0, 0
        for piece in function() return handle:read() end do
          size, most = size + #piece, math.max(most, #piece)
          if size % 7 == 0 then sleep(loop, 0.005) end
        end
        assert.equal(20000000, size)
        assert.is_true(most < 2 << 20)
      end)
    end)

    it("that nobody reads is held back", function()
      run(function(loop)
        local handle <close> = loop:request(options_of("/endless", { limit = 1 << 40 }))
        handle:head()
        sleep(loop, 0.5)
        assert.is_true(#handle:read() < 2 << 20)
        sleep(loop, 0.1)
        assert.is_true(#handle:read() > 0)
      end)
    end)

    it("may be as large as the limit, no larger", function()
      run(function(loop)
        assert.equal(100000, #ask(loop, "/body/100000", { limit = 100000 }))
        local body, problem = ask(loop, "/body/100001", { limit = 100000 })
        assert.is_nil(body)
        assert.same({ type = "limit", message = ("the answer of 127.0.0.1:%d is larger than 100000 bytes"):format(origin.port) }, problem)
        body, problem = ask(loop, "/endless", { limit = 3000000 })
        assert.is_nil(body)
        assert.equal("limit", problem.type)
      end)
    end)

    it("is given up when its handle is closed", function()
      local name = os.tmpname()
      os.remove(name)
      run(function(loop)
        local handle = loop:request(options_of("/wait" .. name))
        assert.equal("begun", handle:read())
        handle:close()
        assert.is_true(eventually(loop, function() return os.remove(name) end))
        assert.equal("cancelled", select(2, handle:read()).type)
        assert.equal("cancelled", select(2, handle:head()).type)
        assert.equal("cancelled", select(2, handle:body()).type)
      end)
    end)

    it("is given up when the coroutine that waits is closed", function()
      local name = os.tmpname()
      os.remove(name)
      run(function(loop)
        local co = coroutine.create(function()
          local handle <close> = loop:request(options_of("/wait" .. name))
          handle:body()
        end)
        loop:resume(co)
        sleep(loop, 0.1)
        assert(coroutine.close(co))
        assert.is_true(eventually(loop, function() return os.remove(name) end))
      end)
    end)
  end)

  describe("connections", function()
    it("are used again", function()
      run(function(loop)
        local _, first = ask(loop, "/body/1")
        for _ = 1, 20 do
          local _, head = ask(loop, "/body/1")
          assert.equal(first.headers["x-connection"], head.headers["x-connection"])
        end
        ask(loop, "/close")
        local _, last = ask(loop, "/body/1")
        assert.not_equal(first.headers["x-connection"], last.headers["x-connection"])
      end)
    end)

    it("serve 256 requests at once, and the next 256", function()
      run(function(loop)
        local seen, count = {}, 0
        local function work()
          for _ = 1, 4 do
            local body, head = ask(loop, "/body/1000", { body = "x" })
            assert.equal(1000, #body)
            local connection = head.headers["x-connection"]
            if not seen[connection] then seen[connection] = true; count = count + 1 end
          end
        end
        local works = {}
        for i = 1, 256 do works[i] = work end
        turning.all(loop, works)
        assert.is_true(count <= 256)
      end)
    end)

    it("are opened for a few requests in a turn, so that those which are answered leave theirs to others", function()
      local files = turning.files()
      run(function(loop)
        local kept = {}
        for i = 1, 200 do kept[i] = loop:request(options_of "/slow/5") end
        sleep(loop, 0)
        assert.is_true(turning.files() - files < 100)
        assert.is_true(eventually(loop, function() return turning.files() - files >= #kept end))
        for _, handle in ipairs(kept) do handle:close() end
      end)
    end)

    it("in flight are given up by the collector and by closing the loop", function()
      run(function(loop)
        for _ = 1, 50 do loop:request(options_of "/slow/5") end
        sleep(loop, 0.1)
        collectgarbage()
        collectgarbage()
        assert.equal(0, loop:handles())
      end)
      local loop = core.loop.new()
      local kept = {}
      for i = 1, 50 do kept[i] = loop:request(options_of(i % 2 == 0 and "/endless" or "/slow/5")) end
      loop:turn(0.2)
      loop:close()
      loop:close()
      assert.equal("cancelled", select(2, kept[1]:head()).type)
    end)
  end)

  describe("a failure", function()
    local function unsent(message)
      local problem = transport(message)
      problem.unsent = true
      return problem
    end

    it("to connect names host, port and reason, and that nothing was sent", function()
      assert.same(unsent "cannot connect to 127.0.0.1:1: connection refused", problem_of { url = ("http://%s:1/"):format(host) })
      assert.same(unsent "cannot connect to 127.0.0.1:1: connection refused", problem_of { url = "http://u:secret@127.0.0.1:1/" })
      assert.same(unsent "cannot find the address of no-such-host.invalid", problem_of { url = "http://no-such-host.invalid/" })
    end)

    it("of TLS says so", function()
      local problem = problem_of { url = ("https://127.0.0.1:%d/echo"):format(origin.port) }
      assert.equal("transport", problem.type)
      assert.truthy(problem.message:find(("no TLS with 127.0.0.1:%d: "):format(origin.port), 1, true))
    end)

    it("to trust the server is one, until its authority is named", function()
      local secure <close> = origins.start_secure()
      if not secure then return pending "there is no openssl" end
      local problem = problem_of { url = secure.url }
      assert.truthy(problem.message:find("^no TLS with 127%.0%.0%.1:%d+: .*certificate"))
      run(function(loop)
        local handle <close> = loop:request { url = secure.url, ca_file = secure.ca_file }
        assert.equal(200, handle:head().status)
        assert.truthy(handle:body():find "Cipher")
      end)
      assert.equal("transport", problem_of({ url = secure.url, ca_file = "/no/such/file" }).type)
    end)

    it("of the address comes at once", function()
      for _, url in ipairs { "", "::", "ftp://127.0.0.1/", "file:///etc/passwd", "http://", "/path", "http://a b/", "http://x:99999/", "http://a\nb/" } do
        local problem = problem_of { url = url }
        assert.equal("transport", problem.type)
        assert.truthy(problem.message:find "^cannot send the request: ")
      end
    end)

    it("of the server is none of ours", function()
      for _, path in ipairs { "/garbage", "/silence" } do
        local problem = problem_of(options_of(path))
        assert.equal("transport", problem.type)
        assert.truthy(problem.message:find(("127.0.0.1:%d: "):format(origin.port), 1, true))
      end
      assert.truthy(problem_of(options_of "/headers").message:find("headers", 1, true))
    end)

    it("of the connection names it, and takes nothing from an answer that came before", function()
      run(function(loop)
        local body, problem = ask(loop, "/reset")
        assert.is_nil(body)
        assert.matches("[Cc]onnection reset by peer", problem.message)
        for _ = 1, 5 do assert.equal("whole", (ask(loop, "/reset/whole"))) end
        for _ = 1, 5 do
          body, problem = ask(loop, "/reset/open")
          assert.is_nil(body)
          assert.matches("[Cc]onnection reset by peer", problem.message)
        end
      end)
    end)

    it("inside the head is one", function()
      for _, text in ipairs { "HTTP/1.1 200 OK\r\nX-A: 1\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A" } do
        local body, problem = once(origins.saying(text) .. "/end")
        assert.is_nil(body)
        assert.matches("^127%.0%.0%.1:%d+: the server closed the connection before the answer was whole$", problem.message)
      end
    end)

    it("inside the body comes after what was sent", function()
      run(function(loop)
        local handle <close> = loop:request(options_of "/cut")
        assert.equal(200, handle:head().status)
        sleep(loop, 0.1)
        assert.equal("only this", handle:read())
        local piece, problem = handle:read()
        assert.is_nil(piece)
        assert.equal("transport", problem.type)
        assert.is_nil((handle:body()))
      end)
    end)

    it("to connect in time is one", function()
      run(function(loop)
        local before = loop:now()
        local handle <close> = loop:request { url = "http://192.0.2.1/", connect_timeout = 0.2 } -- nobody lives there
        local head, problem = handle:head()
        assert.is_nil(head)
        assert.equal("transport", problem.type)
        assert.is_true(loop:now() - before < 5)
      end)
    end)
  end)
end) end
