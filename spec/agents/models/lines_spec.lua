local lines = require "orchlua.agents.models.lines"

-- The events of a stream, cut into pieces of `size` bytes.
local function events(text, size)
  local list = {}
  local reader = lines.events(function(data) list[#list + 1] = data end)
  for at = 1, #text, size do reader:feed(text:sub(at, at + size - 1)) end
  return list
end

local function everywhere(expected, text)
  for size = 1, #text do assert.same(expected, events(text, size), ("cut every %d bytes"):format(size)) end
end

describe("server-sent events", function()
  it("end with an empty line, and lines with LF, CR or CRLF, wherever they are cut", function()
    everywhere({ "a", "b", "c" }, "data: a\n\ndata: b\r\rdata: c\r\n\r\n")
    everywhere({ "a", "b" }, "data:a\r\n\r\ndata:b\n\r\n")
  end)

  it("join their lines of data, and drop one space behind the colon", function()
    everywhere({ "a\nb\n\n c" }, "data: a\ndata:b\ndata\ndata:  c\n\n")
  end)

  it("are their data: comments and other fields are passed over", function()
    everywhere({ "{}", "x" }, ": hello\nevent: ping\nid: 7\nretry: 5\nnonsense\ndata: {}\n\n:\n\ndata: x\n\n")
  end)

  it("are none without data, and without their end", function()
    everywhere({ "a" }, "event: empty\n\ndata: a\n\ndata: not whole\n")
  end)

  it("may begin with a byte order mark", function()
    everywhere({ "a" }, "\xEF\xBB\xBFdata: a\n\n")
  end)

  it("are made of lines, the last of which may be whole without a line end", function()
    local found = {}
    local reader = lines.reader(function(text) found[#found + 1] = text end)
    reader:feed "one\nt"
    reader:feed "wo"
    reader:finish()
    reader:finish()
    assert.same({ "one", "two" }, found)
  end)

  it("of 10 MB in small pieces take no long time", function()
    local list = events("data: " .. ("x"):rep(10000000) .. "\n\n", 1000)
    assert.equal(10000000, #list[1])
  end)
end)
