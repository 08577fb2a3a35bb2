-- How answers of HTTP/1.1 are read from the bytes of a connection (RFC 9112), however those are cut.

local read = require "spec.support.answer"

local OK = "HTTP/1.1 200 OK\r\n"

-- The text in pieces of so many bytes.
local function cut(text, size)
  local pieces = {}
  for at = 1, #text, size do pieces[#pieces + 1] = text:sub(at, at + size - 1) end
  return pieces
end

-- What is read of a text; the same however it is cut.
local function read_text(text, to_head, closed)
  local whole = read({ text }, to_head, closed)
  for at = 1, #text do assert.same(whole, read({ text:sub(1, at), text:sub(at + 1) }, to_head, closed)) end
  assert.same(whole, read(cut(text, 1), to_head, closed))
  return whole
end

local function body_of(text, to_head)
  local answer = read_text(text, to_head)
  assert.is_nil(answer.problem)
  assert.is_true(answer.ended)
  assert.equal(0, answer.left)
  return answer.body, answer
end

local function problem_of(text, closed)
  local answer = read_text(text, false, closed)
  assert.is_false(answer.ended)
  return answer.problem
end

describe("an answer of HTTP/1.1", function()
  it("is as long as its length says", function()
    assert.equal("hello", (body_of(OK .. "Content-Length: 5\r\n\r\nhello")))
    assert.equal("", (body_of(OK .. "content-length:0\r\n\r\n")))
    assert.equal("ab", (body_of(OK .. "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab")))
    assert.equal(OK .. "Content-Length: 5\r\nX: y\r\n\r\n", read_text(OK .. "Content-Length: 5\r\nX: y\r\n\r\nhello").lines)
  end)

  it("may come in chunks", function()
    local head = OK .. "Transfer-Encoding: chunked\r\n\r\n"
    assert.equal("hello world", (body_of(head .. "5\r\nhello\r\n6;name=\"x\"\r\n world\r\n0\r\n\r\n")))
    assert.equal(("x"):rep(26), (body_of(head .. "001A\r\n" .. ("x"):rep(26) .. "\r\n0\r\nX-Late: 1\r\nX-Later: 2\r\n\r\n")))
    assert.equal("", (body_of(head .. "0\r\n\r\n")))
    assert.equal("a\r\nb", (body_of(OK .. "transfer-encoding:CHUNKED\n\n4\na\r\nb\n0\n\n")))
  end)

  it("may last as long as its connection", function()
    local answer = read_text(OK .. "\r\nall of it", false, true)
    assert.equal("all of it", answer.body)
    assert.is_true(answer.ended)
    assert.is_false(answer.keeps)
    assert.is_false(read_text(OK .. "\r\nall of it").ended)
  end)

  it("has no body to a request for a head, nor with a status that has none", function()
    assert.equal("", (body_of(OK .. "Content-Length: 5\r\n\r\n", true)))
    assert.equal("", (body_of(OK .. "Transfer-Encoding: chunked\r\n\r\n", true)))
    assert.equal("", (body_of "HTTP/1.1 204 No Content\r\n\r\n"))
    assert.equal("", (body_of "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"))
    assert.equal("", (body_of "HTTP/1.1 304 Not Modified\r\nContent-Length: ?\r\nTransfer-Encoding: gzip\r\n\r\n"))
  end)

  it("comes after interim ones", function()
    local text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nContent-Length: 9\r\nConnection: close\r\n\r\n" .. OK .. "Content-Length: 2\r\n\r\nok"
    local body, answer = body_of(text)
    assert.equal("ok", body)
    assert.equal(200, answer.status)
    assert.is_true(answer.keeps)
  end)

  it("says whether its connection can be used again", function()
    local function keeps(version, headers, to_head)
      return read_text(("HTTP/1.%d 200 OK\r\n%sContent-Length: 0\r\n\r\n"):format(version, headers), to_head).keeps
    end
    assert.is_true(keeps(1, ""))
    assert.is_true(keeps(1, "Connection: Upgrade, Keep-Alive\r\n"))
    assert.is_false(keeps(1, "Connection: close\r\n"))
    assert.is_false(keeps(1, "connection: x , CLOSE\r\n"))
    assert.is_false(keeps(0, ""))
    assert.is_true(keeps(0, "Connection: keep-alive\r\n"))
    assert.is_false(keeps(1, "Connection: close\r\nConnection: keep-alive\r\n"))
    assert.is_false(keeps(1, "Connection: close, keep-alive\r\n"))
    assert.is_false(read_text(OK .. "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").keeps)
    assert.is_false(read_text("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n").keeps)
  end)

  it("may have headers of several lines, but for those that say where it ends", function()
    assert.equal("ab", (body_of(OK .. "X: begun\r\n Content-Length: 1\r\n\tConnection: close\r\nContent-Length: 2\r\n\r\nab")))
    for _, header in ipairs { "Content-Length: 1\r\n 2", "Transfer-Encoding: chunked\r\n , gzip", "Connection: keep-alive,\r\n close" } do
      assert.equal("a header that the end of the answer depends on has a second line", problem_of(OK .. header .. "\r\n"))
    end
  end)

  it("has no zero bytes and no lone CR in its head", function()
    for _, line in ipairs { "X: a\0b\r\n", "X: a\rContent-Length: 5\r\n", "\rX: a\r\n", "X: a\r\r\n", "\rX: a\n" } do
      assert.equal("a header of the answer has a zero byte or a lone CR in it", problem_of(OK .. line))
    end
    assert.equal("a header of the answer has a zero byte or a lone CR in it", problem_of "HTTP/1.1 200 O\0K\r\n")
  end)

  it("leaves what is not its own", function()
    local answer = read_text(OK .. "Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n")
    assert.equal("ok", answer.body)
    assert.equal(17, answer.left)
  end)

  it("that is none, or broken, says why", function()
    local none = "what came is no answer of HTTP/1.1"
    for _, text in ipairs { "hello\r\n", "HTTP/2 200\r\n", "HTTP/1.1 20 OK\r\n", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1  200 OK\r\n", "ICY 200 OK and more\r\n", "\r\n" } do
      assert.equal(none, problem_of(text))
    end
    assert.equal("a line of the answer's head is no header", problem_of(OK .. "Content-Length 5\r\n"))
    assert.equal("the length of the answer is no number", problem_of(OK .. "Content-Length: -5\r\n"))
    assert.equal("the length of the answer is no number", problem_of(OK .. "Content-Length: 99999999999999999999\r\n"))
    assert.equal("the length of the answer is no number", problem_of(OK .. "Content-Length:\r\n"))
    assert.equal("the answer has two lengths", problem_of(OK .. "Content-Length: 5\r\nContent-Length: 6\r\n"))
    assert.equal("the answer's Transfer-Encoding is not known", problem_of(OK .. "Transfer-Encoding: gzip, chunked\r\n"))
    assert.equal("the server changes to a protocol that nobody asked for", problem_of "HTTP/1.1 101 Switching Protocols\r\n")
    local chunked = OK .. "Transfer-Encoding: chunked\r\n\r\n"
    assert.equal("the size of a chunk is no number", problem_of(chunked .. "x\r\n"))
    assert.equal("the size of a chunk is no number", problem_of(chunked .. "\r\n"))
    assert.equal("the size of a chunk is no number", problem_of(chunked .. "-1\r\n"))
    assert.equal("a chunk is longer than its size says", problem_of(chunked .. "2\r\nabc\r\n"))
    assert.equal("a chunk is longer than its size says", problem_of(chunked .. "2\r\nab \r\n"))
  end)

  it("that breaks off says so", function()
    local closed = "the server closed the connection before the answer was whole"
    for _, text in ipairs { "HTTP/1.1 2", OK, OK .. "X: y\r\n", OK .. "Content-Length: 5\r\n\r\nhell", OK .. "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
      "HTTP/1.1 100 Continue\r\n\r\n" } do
      assert.equal(closed, problem_of(text, true))
    end
  end)

  it("has a bounded head, trailer and line before a chunk", function()
    local many = ("X-More: " .. ("x"):rep(1000) .. "\r\n"):rep(1100)
    local too_large = "the headers of the answer are too large"
    assert.equal(too_large, read({ OK .. many }).problem)
    assert.equal(too_large, read(cut(OK .. "X: " .. ("x"):rep(1100000), 50000)).problem)
    assert.equal(too_large, read(cut(("HTTP/1.1 100 Continue\r\n\r\n"):rep(50000), 50000)).problem)
    local chunked = OK .. "Transfer-Encoding: chunked\r\n\r\n"
    assert.equal(too_large, read({ chunked .. "0\r\n" .. many }).problem)
    assert.equal(too_large, read({ chunked .. "5;" .. ("x"):rep(5000) .. "\r\n" }).problem)
    assert.equal(2000000, #read({ chunked .. ("2;" .. ("x"):rep(30) .. "\r\nab\r\n"):rep(1000000) .. "0\r\n\r\n" }).body)
  end)
end)
