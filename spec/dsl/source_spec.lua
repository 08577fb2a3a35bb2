local source = require "orchlua.dsl.source"

local function at(text, pos, options) return { source.new(text, "t", options):position(pos) } end
local function excerpt(text, pos, stop, options) return source.new(text, "t", options):excerpt(pos, stop) end

describe("a source", function()
  it("drops a byte order mark and reads \\r\\n as \\n", function()
    assert.equal("a\nb\r", source.new("\239\187\191a\r\nb\r", "t").text)
  end)

  it("gives lines and columns, the column in code points", function()
    assert.same({ 1, 1 }, at("", 1))
    assert.same({ 1, 3 }, at("ab\ncd", 3))
    assert.same({ 2, 2 }, at("ab\ncd", 5))
    assert.same({ 2, 3 }, at("ab\ncd", 6))
    assert.same({ 1, 5 }, at("日本é x", 10))
  end)

  it("gives the same column in any order of asking", function()
    local text = "é" .. ("xé"):rep(300)
    local one = source.new(text, "t")
    for pos = 1, #text, 7 do assert.same(at(text, pos), { one:position(pos) }) end
    for pos = #text, 1, -11 do assert.same(at(text, pos), { one:position(pos) }) end
  end)

  it("counts a byte that is no UTF-8 as one", function()
    assert.same({ 1, 4 }, at("a\255\255b", 4))
    assert.same({ 1, 3 }, at("é\233b", 4))
  end)

  it("knows where it stands in a Markdown file", function()
    local inside = source.new("a\nbc", "t", { first_line = 10, indent = 4 })
    assert.same({ 11, 6 }, { inside:position(4) })
    assert.equal("bc", inside:line(11))
    assert.equal("", inside:line(12))
    assert.equal("", inside:line(1))
    assert.equal("bc\n ^", inside:excerpt(4))
  end)

  it("asks a hundred thousand columns of one long line in no time", function()
    local long = source.new(("é"):rep(200000), "t")
    local started = os.clock()
    for pos = 1, 400000, 4 do long:position(pos) end
    assert.is_true(os.clock() - started < 2)
  end)
end)

describe("an excerpt", function()
  it("has a caret under the span", function()
    assert.equal("STATE x = 1 +\n          ^", excerpt("STATE x = 1 +\n", 11))
    assert.equal("a bcd\n  ^~~", excerpt("a bcd", 3, 6))
    assert.equal("é bcd\n  ^~~", excerpt("é bcd", 4, 7))
  end)

  it("stays on its line", function()
    assert.equal("ab\n ^", excerpt("ab\ncd", 2, 6))
    assert.equal("ab\n  ^", excerpt("ab\ncd", 3, 4))
    assert.equal("\n^", excerpt("", 1))
    assert.equal("\n^", excerpt("a\n", 3))
  end)

  it("shows a tab as one space, so that the caret fits", function()
    assert.equal("a b\n  ^", excerpt("a\tb", 3))
  end)

  it("shows about a hundred columns of a wide line, around the caret", function()
    local function parts(pos, stop)
      local line, caret = excerpt(("x"):rep(250), pos, stop):match "^(.*)\n(.*)$"
      return line, caret
    end
    local line, caret = parts(150, 160)
    assert.equal("…" .. ("x"):rep(98) .. "…", line)
    assert.equal((" "):rep(32) .. "^" .. ("~"):rep(9), caret)
    line, caret = parts(1, 251)
    assert.equal(("x"):rep(99) .. "…", line)
    assert.equal("^" .. ("~"):rep(99), caret)
    line, caret = parts(251)
    assert.equal("…" .. ("x"):rep(99), line)
    assert.equal((" "):rep(100) .. "^", caret)
  end)
end)
