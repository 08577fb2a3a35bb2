-- Agents on the web: what is sent, what comes back, and what an error says
-- about asking again.

local core = require "orchlua.core"
local config = require "orchlua.config"
local agents = require "orchlua.agents"
local http = require "orchlua.agents.http"
local peers = require "spec.support.peer"
local turning = require "spec.support.turning"

local value = core.value

describe("an agent on the web", function()
  local peer
  setup(function() peer = peers.start() end)
  teardown(function() peer.stop() end)

  local function ask(path, entry, fields)
    entry = entry or {}
    entry.http = path:find "^http" and path or peer.url .. path
    local checked = assert(config.check({ agents = { ["f*"] = entry } }, "."))
    local request = {
      agent_id = "fetcher", prompt = "go", data = value.object { "n", n = 1 },
      run_id = "r", request_id = "r/1", idempotency_key = "r/1", attempt = 1, timeout = 30
    }
    for name, field in pairs(fields or {}) do request[name] = field end
    return turning.run(function(loop)
      local ok, result = pcall(assert(agents.new(checked, loop):find "fetcher").call, request)
      if ok then return result end
      return nil, result
    end)
  end

  it("gets the request as JSON, with its key and the headers of the configuration", function()
    local reply = ask("/echo", { headers = { ["X-Key"] = "secret" } })
    assert.truthy(reply:find "^POST /echo\n")
    assert.truthy(reply:find("\nContent-Type: application/json\n", 1, true))
    assert.truthy(reply:find("\nIdempotency-Key: r/1\n", 1, true))
    assert.truthy(reply:find("\nX-Key: secret\n", 1, true))
    assert.equal('{"agent_id":"fetcher","prompt":"go","data":{"n":1},"run_id":"r","request_id":"r/1",'
      .. '"idempotency_key":"r/1","attempt":1,"timeout":30}', reply:match "[^\n]*$")
  end)

  it("may be given another content type", function()
    local reply = ask("/echo", { headers = { ["content-type"] = "application/vnd.x+json" } })
    assert.truthy(reply:find("\ncontent-type: application/vnd.x+json\n", 1, true))
    assert.is_nil(reply:find("Content-Type: application/json", 1, true))
  end)

  it("cannot be sent a header by a program's key", function()
    local reply = ask("/echo", nil, { idempotency_key = "a\r\nX-Evil: 1 %é" })
    assert.truthy(reply:find("\nIdempotency-Key: a%0D%0AX-Evil:%201%20%25%C3%A9\n", 1, true))
    assert.is_nil(reply:lower():find("\nx-evil", 1, true))
  end)

  it("answers with the body, in valid UTF-8", function()
    assert.equal("a\u{FFFD}bé", ask("/raw"))
    assert.equal("", (ask("/body/0")))
    assert.equal(3000000, #ask("/body/3000000"))
  end)

  it("is worth asking again after a fault of the server's or of its load", function()
    for _, status in ipairs { 408, 409, 425, 429, 500, 502, 503, 599 } do
      local _, problem = ask("/status/" .. status)
      assert.equal("agent", problem.type)
      assert.equal(status, problem.status)
      assert.is_true(problem.retryable)
    end
  end)

  it("is not worth asking again after a fault of the request's", function()
    for _, status in ipairs { 400, 401, 403, 404, 422 } do
      local reply, problem = ask("/status/" .. status)
      assert.is_nil(reply)
      assert.equal("agent", problem.type)
      assert.equal(status, problem.status)
      assert.is_false(problem.retryable)
    end
  end)

  it("says what the server said, cleaned and cut", function()
    local _, problem = ask("/status/400", nil, { prompt = "x\ny" })
    assert.truthy(problem.message:find('the server answered with status 400: {"agent_id":"fetcher","prompt":"x\\ny"', 1, true))
    _, problem = ask("/status/400", nil, { prompt = ("é"):rep(100000) })
    assert.is_true(#problem.message < 400)
    assert.truthy(utf8.len(problem.message))
  end)

  it("says how long the server asks to wait, in either form", function()
    local _, problem = ask "/status/429?Retry-After=17"
    assert.equal(17, problem.retry_after)
    local date = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + 90)
    _, problem = ask("/status/503?Retry-After=" .. date:gsub(" ", "+"))
    assert.is_true(problem.retry_after > 85 and problem.retry_after <= 91)
    _, problem = ask "/status/429"
    assert.is_nil(problem.retry_after)
  end)

  it("is worth asking again when the connection fails", function()
    for _, address in ipairs { "/drop", "http://127.0.0.1:1/" } do
      local reply, problem = ask(address)
      assert.is_nil(reply)
      assert.equal("transport", problem.type)
      assert.is_true(problem.retryable)
    end
  end)

  it("is stopped when it answers more than max_reply", function()
    local reply, problem = ask("/body/100001", { max_reply = 100000 })
    assert.is_nil(reply)
    assert.equal("limit", problem.type)
    assert.is_false(problem.retryable)
    assert.equal(100000, #ask("/body/100000", { max_reply = 100000 }))
  end)

  it("is left when its call is closed", function()
    turning.run(function(loop)
      local checked = assert(config.check({ agents = { a = { http = peer.url .. "/slow/10" } } }, "."))
      local agent = agents.new(checked, loop):find "a"
      local co = coroutine.create(agent.call)
      loop:resume(co, { agent_id = "a", idempotency_key = "k" })
      turning.sleep(loop, 0.1)
      assert(coroutine.close(co))
    end)
  end)
end)

describe("Retry-After", function()
  local now = 784111777 -- Sun, 06 Nov 1994 08:49:37 GMT

  it("may be seconds", function()
    assert.equal(0, http.retry_after("0", now))
    assert.equal(120, http.retry_after(" 120 ", now))
  end)

  it("may be a date in each of HTTP's three forms", function()
    assert.equal(3, http.retry_after("Sun, 06 Nov 1994 08:49:40 GMT", now))
    assert.equal(3, http.retry_after("Sunday, 06-Nov-94 08:49:40 GMT", now))
    assert.equal(3, http.retry_after("Sun Nov  6 08:49:40 1994", now))
  end)

  it("may name any day of the calendar", function()
    for day = 0, 60000, 7 do
      local time = day * 86400 + 43200
      assert.equal(time, http.retry_after(os.date("!%a, %d %b %Y %H:%M:%S GMT", time), 0))
    end
  end)

  it("asks for no wait when its date has passed", function()
    assert.equal(0, http.retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now))
  end)

  it("says nothing when it is none of these", function()
    for _, text in ipairs { "", "-1", "soon", "1.5.5", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET", "1e9" } do
      assert.is_nil(http.retry_after(text, now))
    end
    assert.is_nil(http.retry_after(nil, now))
  end)
end)
