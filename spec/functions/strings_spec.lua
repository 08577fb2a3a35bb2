local functions = require "orchlua.functions"
local use = require "spec.support.call"

local of, call, text, failure, null = use.of, use.call, use.text, use.failure, use.null

-- A text as JavaScript's literal.
local function literal(s) return functions["JSON.stringify"].fn(use.run(), s) end

describe("SPLIT and JOIN", function()
  it("undo one another", function()
    assert.equal('["a","","b"]', text("SPLIT", "a,,b", ","))
    assert.equal('[""]', text("SPLIT", "", ","))
    assert.equal("[]", text("SPLIT", "", ""))
    assert.equal('["a","é","😀"]', text("SPLIT", "aé😀", ""))
    assert.equal('["a",""]', text("SPLIT", "a--", "--"))
    assert.equal("a--b", call("JOIN", call("SPLIT", "a--b", "--"), "--"))
    assert.equal('1,x,null,[1],{"a":1}', call("JOIN", of '[1, "x", null, [1], {"a": 1}]'))
    assert.equal("12", call("JOIN", of '{"a": 1, "b": 2}', ""))
    assert.equal("", call("JOIN", of "[]", ", "))
  end)

  it("split as JavaScript does", function()
    if not use.has_node() then return pending "no node here" end
    local cases, expressions = {}, {}
    for _, s in ipairs { "", "a", "a.b", ".", "..", "a..b.", "%a%", "äöä" } do
      for _, separator in ipairs { "", ".", "..", "a", "%", "ä", "zz" } do
        cases[#cases + 1] = { s, separator }
        expressions[#expressions + 1] = ("JSON.stringify(%s.split(%s))"):format(literal(s), literal(separator))
      end
    end
    local expected = use.node("[" .. table.concat(expressions, ",") .. "]")
    for i, case in ipairs(cases) do assert.equal(expected[i], text("SPLIT", case[1], case[2]), case[1] .. "|" .. case[2]) end
  end)

  it("want strings", function()
    assert.equal("SPLIT takes a string, and got null", failure("SPLIT", null, ",").message)
    assert.equal("JOIN takes an array or an object, and got a string", failure("JOIN", "ab").message)
    assert.equal("JOIN takes a string, and got a number", failure("JOIN", of "[]", 1).message)
  end)

  it("say of a value inside itself that it has no text", function()
    local loop = of "[1]"
    loop[1] = loop
    local e = failure("JOIN", loop)
    assert.equal("type", e.type)
    assert.equal("JOIN cannot write a value inside itself", e.message)
  end)
end)

describe("REPLACE", function()
  it("replaces every text as it is", function()
    assert.equal("b.b.b", call("REPLACE", "a.a.a", "a", "b"))
    assert.equal("a%1a%1a", call("REPLACE", "a.a.a", ".", "%1"))
    assert.equal("$&", call("REPLACE", "x", "x", "$&"))
    assert.equal("ab", call("REPLACE", "ab", "c", "d"))
    assert.equal("ba", call("REPLACE", "aaa", "aa", "b"))
    assert.equal("", call("REPLACE", "", "a", "b"))
  end)

  it("finds an empty text before each character and at the end", function()
    assert.equal("-a-é-", call("REPLACE", "aé", "", "-"))
    assert.equal("-", call("REPLACE", "", "", "-"))
  end)

  it("has a limit", function()
    assert.equal("limit", failure("REPLACE", ("a"):rep(100000), "a", ("b"):rep(10000)).type)
    assert.equal("limit", failure("REPLACE", ("a"):rep(100000), "", ("b"):rep(10000)).type)
    local many = of "[]"
    for i = 1, 300 do many[i] = "x" end
    assert.equal("limit", failure("JOIN", many, ("b"):rep(1000000)).type)
  end)
end)

describe("TRIM", function()
  it("takes off JavaScript's white space, and nothing else", function()
    if not use.has_node() then return pending "no node here" end
    local strings, literals = {}, {}
    for code = 1, 0x3100 do
      if code < 0x300 or code >= 0x1600 and code <= 0x1900 or code >= 0x2000 then
        local c = utf8.char(code)
        strings[#strings + 1] = c .. " a" .. c .. "b " .. c
      end
    end
    strings[#strings + 1] = utf8.char(0xFEFF) .. "x" .. utf8.char(0xFEFF)
    for i, s in ipairs(strings) do literals[i] = literal(s) end
    local expected = use.node("[" .. table.concat(literals, ",") .. "].map(s => s.trim())")
    for i, s in ipairs(strings) do assert.equal(expected[i], call("TRIM", s)) end
  end)

  it("of nothing but white space is empty", function()
    assert.equal("", call("TRIM", ""))
    assert.equal("", call("TRIM", " \t\n\u{A0}\u{3000} "))
    assert.equal("é", call("TRIM", "é"))
    assert.equal("à", call("TRIM", " à\u{A0}"))
  end)
end)

describe("UPPER and LOWER", function()
  it("know Latin, Greek, Cyrillic and Armenian letters", function()
    assert.equal("GRÜSSE, ÉLAN ŠKODA ΆΛΦΑ ПРИВЕТ ЁЖ", call("UPPER", "grüße, élan škoda άλφα привет ёж"))
    assert.equal("grüsse, élan škoda άλφα привет ёж", call("LOWER", "GRÜSSE, ÉLAN ŠKODA ΆΛΦΑ ПРИВЕТ ЁЖ"))
    assert.equal("日本 😀 ×÷", call("UPPER", "日本 😀 ×÷"))
  end)

  it("do to a letter what JavaScript does, or nothing", function()
    if not use.has_node() then return pending "no node here" end
    local expected = use.node [[[...Array(0x590).keys()].map(c => String.fromCodePoint(c)).map(s => [s, s.toUpperCase(), s.toLowerCase()])]]
    local common = { { 0x20, 0x17F }, { 0x391, 0x3CE }, { 0x400, 0x45F }, { 0x48A, 0x4BF }, { 0x4D0, 0x52F }, { 0x531, 0x556 }, { 0x561, 0x586 } }
    for code = 1, 0x58F do
      local row = expected[code + 1]
      local upper, lower = call("UPPER", row[1]), call("LOWER", row[1])
      assert.is_true(upper == row[2] or upper == row[1], row[1])
      assert.is_true(lower == row[3] or lower == row[1], row[1])
      for _, range in ipairs(common) do
        if code >= range[1] and code <= range[2] then
          assert.equal(row[2], upper)
          assert.equal(row[3], lower)
        end
      end
    end
  end)
end)

describe("STARTS_WITH, ENDS_WITH and FORMAT", function()
  it("tell how a string begins and ends", function()
    assert.is_true(call("STARTS_WITH", "abc", "ab"))
    assert.is_true(call("STARTS_WITH", "abc", ""))
    assert.is_false(call("STARTS_WITH", "a", "ab"))
    assert.is_true(call("ENDS_WITH", "abc", "bc"))
    assert.is_true(call("ENDS_WITH", "", ""))
    assert.is_false(call("ENDS_WITH", "c", "bc"))
    assert.equal("ENDS_WITH takes a string, and got null", failure("ENDS_WITH", null, "").message)
  end)

  it("put the texts of values for {}", function()
    assert.equal("a=1, b=[2], null %s {} {x}", call("FORMAT", "a={}, b={}, {} %s {} {x}", 1, of "[2]", null, "{}"))
    assert.equal("none", call("FORMAT", "none", 1))
    local e = failure("FORMAT", "{} {}", 1)
    assert.equal("type", e.type)
    assert.equal("FORMAT has more `{}` than values (1)", e.message)
  end)
end)

describe("JSON.stringify, JSON.parse and HASH", function()
  it("write and read JSON", function()
    assert.equal('{"a":[1,null,"x"]}', call("JSON.stringify", of '{"a": [1, null, "x"]}'))
    assert.equal('{\n  "a": 1\n}', call("JSON.stringify", of '{"a": 1}', 2))
    assert.equal('{\n\t"a": 1\n}', call("JSON.stringify", of '{"a": 1}', "\t"))
    for _, none in ipairs { null, 0, -3, "", 0.5 } do assert.equal("[1]", call("JSON.stringify", of "[1]", none)) end
    assert.equal("[\n" .. (" "):rep(10) .. "1\n]", call("JSON.stringify", of "[1]", 1e300))
    assert.equal("[\n" .. ("-"):rep(10) .. "1\n]", call("JSON.stringify", of "[1]", ("-"):rep(12)))
    assert.equal("[\n€€€1\n]", call("JSON.stringify", of "[1]", "€€€€"))
    assert.equal(null, call("JSON.parse", " null "))
    assert.equal('{"b":1,"a":[]}', text("JSON.parse", '{"b": 1, "a": []}'))
  end)

  it("raise errors of a type of their own", function()
    local e = failure("JSON.parse", '{"a": 1,}')
    assert.equal("json", e.type)
    assert.matches("^this is no JSON: .*, at byte %d+$", e.message)
    assert.equal("type", failure("JSON.parse", null).type)
    assert.equal("type", failure("JSON.stringify", 1, true).type)
    local loop = of "{}"
    loop[1], loop.me = "me", loop
    assert.equal("JSON.stringify cannot write a value inside itself", failure("JSON.stringify", loop).message)
    assert.equal("type", failure("JSON.stringify", loop).type)
    assert.equal("HASH cannot write a value inside itself", failure("HASH", loop).message)
  end)

  it("hash the JSON of a value", function()
    assert.equal("a615eeaee21de5179de080de8c3052c8da901138406ba71c38c032845f7d54f4", call("HASH", of "[1,2,3]"))
    assert.not_equal(call("HASH", "1"), call("HASH", 1))
  end)
end)

describe("functions of strings", function()
  it("take time in proportion to their strings", function()
    local begin = os.clock()
    local spaces = ("\u{A0} "):rep(600000)
    for _, s in ipairs { ("abcdefghi "):rep(200000), ("ä"):rep(1000000), spaces } do
      for _, given in ipairs { { "LENGTH", s }, { "TRIM", s }, { "TRIM", spaces .. "x" .. s .. "x" .. spaces }, { "SLICE", s, -10 },
        { "REPLACE", s, "b", "cc" }, { "CONTAINS", s, "nothing" }, { "SPLIT", s, "e" }, { "SPLIT", s, "" }, { "UPPER", s }, { "LOWER", s }, { "REVERSE", s } } do
        call(table.unpack(given))
      end
    end
    assert.is_true(os.clock() - begin < 30, "seconds: " .. os.clock() - begin)
  end)
end)
