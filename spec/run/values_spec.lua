local run = require "spec.support.run"

-- The text of an expression's value.
local function eval(expression, before)
  return run.text((before or "") .. "\nRETURN " .. expression)
end

local function err(expression, before)
  return run.failure((before or "") .. "\nRETURN " .. expression)
end

describe("numbers", function()
  it("print as JavaScript prints them", function()
    assert.equal("3.5", eval "7 / 2")
    assert.equal("3", eval "6 / 2")
    assert.equal("50", eval "50.0 + 0")
    assert.equal("1e+21", eval "1e21")
    assert.equal("0.30000000000000004", eval "0.1 + 0.2")
    assert.equal("9223372036854775807", eval "9223372036854775807")
    assert.equal("50", eval "(1 / 2) * 100")
  end)

  it("keep the dividend's sign in a remainder", function()
    assert.equal("-1", eval "-7 % 3")
    assert.equal("1", eval "7 % -3")
    assert.equal("-1.5", eval "-7.5 % 3")
  end)

  it("never leave their range in silence", function()
    for _, expression in ipairs {
      "1 / 0", "1 % 0", "9223372036854775807 + 1", "-9223372036854775807 - 2", "9223372036854775807 * 2", "1e308 * 10", "1e308 + 1e308",
      "1.5 / 0", "0 / 0", "4611686018427387904 * 2", "x + 1", "x * x", "-m",
    } do
      local e = err(expression, "STATE x = 9223372036854775807\nSTATE m = -9223372036854775807 - 1")
      assert.equal("arithmetic", e.type, expression)
    end
  end)

  it("stay exact where integers are", function()
    assert.equal("9007199254740993", eval "9007199254740992 + 1")
    assert.equal("3037000499", eval "9223372030926249001 / 3037000499")
    for _, six in ipairs { "6", "x", "LENGTH(l)" } do
      for _, two in ipairs { "2", "y" } do
        local whole = ("%s / %s"):format(six, two)
        assert.equal("9223372036854775804", eval("9223372036854775807 - " .. whole, 'STATE x = 6\nSTATE y = 2\nSTATE l = "sixsix"'), whole)
      end
    end
    assert.equal("-9223372036854775808", eval "-9223372036854775807 - 1")
    assert.equal("-9223372036854775808", eval "-9223372036854775808")
  end)

  it("are the only kind that arithmetic takes", function()
    for _, expression in ipairs { '"2" * 3', '6 - "1"', "null + 1", "true + 1", "[1] - 1", "-null", '-"a"', "{} / 2", "true % 2" } do
      assert.equal("type", err(expression).type, expression)
    end
    local e = err("a * 2", "STATE a = null")
    assert.equal("`*` takes numbers, and got null and a number", e.message)
    assert.equal(2, e.line)
  end)
end)

describe("`+`", function()
  it("joins text when either side is a string", function()
    assert.equal("a1", eval '"a" + 1')
    assert.equal("1a", eval '1 + "a"')
    assert.equal("xnull", eval '"x" + null')
    assert.equal('x[1,{"a":2}]', eval '"x" + [1, {a: 2}]')
    assert.equal("1.5x", eval('a + "x"', "STATE a = 3 / 2"))
  end)

  it("joins arrays", function()
    assert.equal("[1,2,3]", eval "[1, 2] + [3]")
    assert.equal("[]", eval "[] + []")
  end)

  it("of thousands of terms is no nesting", function()
    assert.equal("5000", eval(("1"):rep(5000, " + ")))
    assert.equal(("ab"):rep(3000), eval(('"ab"'):rep(3000, " + ")))
    assert.equal("true", eval(("true"):rep(5000, " AND ")))
  end)
end)

describe("comparison", function()
  it("orders numbers and strings, and nothing else", function()
    assert.equal("true", eval "1 < 2")
    assert.equal("true", eval '"a" < "b"')
    assert.equal("true", eval "2 >= 2.0")
    for _, expression in ipairs { '1 < "2"', "null < 1", "[1] < [2]", "true < false", "{} >= 1" } do
      local e = err(expression)
      assert.equal("type", e.type, expression)
    end
    assert.equal("`<` orders two numbers or two strings, and got null and a number", err("null < 1").message)
  end)

  it("tells equality by value, deeply, without coercion", function()
    assert.equal("true", eval '{a: [1, {b: 2}]} == {a: [1.0, {b: 2}]}')
    assert.equal("true", eval '{a: 1, b: 2} == {b: 2, a: 1}')
    assert.equal("false", eval '1 == "1"')
    assert.equal("false", eval "null == false")
    assert.equal("true", eval "[] != {}")
    assert.equal("true", eval("x != y", "STATE x = [1]\nSTATE y = [2]"))
  end)

  it("tells membership with IN", function()
    assert.equal("true", eval "2 IN [1, 2]")
    assert.equal("true", eval "[1] IN [[1]]")
    assert.equal("true", eval '"a" IN {a: null}')
    assert.equal("false", eval '"b" IN {a: 1}')
    assert.equal("type", err("1 IN null").type)
  end)
end)

describe("truth", function()
  it("has null, false, 0 and the empty string on the wrong side", function()
    for _, falsy in ipairs { "null", "false", "0", "0.0", '""' } do
      assert.equal("no", eval(falsy .. ' ? "yes" : "no"'), falsy)
      assert.equal("true", eval("NOT " .. falsy))
      assert.equal("true", eval("x ? false : true", "STATE x = " .. falsy))
    end
    for _, truthy in ipairs { "[]", "{}", '"0"', "1", "-1" } do
      assert.equal("yes", eval(truthy .. ' ? "yes" : "no"'), truthy)
    end
  end)

  it("AND and OR return the deciding operand, and stop there", function()
    assert.equal("0", eval("count || 0", "STATE count = null"))
    assert.equal("7", eval("count || 0", "STATE count = 7"))
    assert.equal("null", eval "null AND (1 / 0)")
    assert.equal("b", eval '1 && "b"')
    assert.equal("1", eval "1 OR (1 / 0)")
  end)
end)

describe("arrays", function()
  it("are counted from 0, and read null outside", function()
    assert.equal("b", eval('a[1]', 'STATE a = ["a", "b"]'))
    assert.equal("null", eval('a[2]', 'STATE a = ["a", "b"]'))
    assert.equal("b", eval('a[2 / 2]', 'STATE a = ["a", "b"]'))
    assert.equal("type", err("a[-1]", "STATE a = [1]").type)
    assert.equal("type", err("a[0.5]", "STATE a = [1]").type)
    assert.equal("type", err('a["x"]', "STATE a = [1]").type)
  end)

  it("append when written at the end, and not beyond it", function()
    assert.equal("[1,9]", eval("a", "STATE a = [1]\nUPDATE a[1] = 9"))
    assert.equal("type", err("a", "STATE a = [1]\nUPDATE a[2] = 9").type)
    assert.equal("type", err("a", "STATE a = [1]\nUPDATE a[-1] = 9").type)
  end)

  it("are references inside a run", function()
    assert.equal('[{"f":1}]', eval("list", "STATE list = [{f: 0}]\nFOREACH x IN list:\n  UPDATE x.f = 1"))
  end)

  it("stay arrays when empty, as objects stay objects", function()
    assert.equal('{"a":[],"o":{}}', eval "{a: [], o: {}}")
  end)
end)

describe("objects", function()
  it("keep the order in which keys came", function()
    assert.equal('{"z":1,"a":2,"m":3}', eval("o", "STATE o = {z: 1}\nUPDATE o.a = 2\nUPDATE o[\"m\"] = 3"))
  end)

  it("have string keys: `o[1]` is `o[\"1\"]`", function()
    assert.equal("x", eval('o["1"]', "STATE o = {}\nUPDATE o[1] = \"x\""))
    assert.equal("x", eval("o[1]", 'STATE o = {"1": "x"}'))
    assert.equal("null", eval("o[2]", 'STATE o = {"1": "x"}'))
  end)

  it("read null for a missing field, and say what is null above it", function()
    assert.equal("null", eval("o.a", "STATE o = {}"))
    local e = err("o.review.vote", "STATE o = {}")
    assert.equal("type", e.type)
    assert.equal("`o.review` is null, so `.vote` cannot be read", e.message)
    assert.equal("null", eval("o.review?.vote", "STATE o = {}"))
    assert.equal("null", eval("o.review?.vote.more", "STATE o = {}"))
    assert.equal("null", eval("o?.a?.b.c[1].length", "STATE o = {a: null}"))
    for chain, message in pairs {
      ["o?.a.b"] = "`o?.a` is null, so `.b` cannot be read", ["o?.a[0]"] = "`o?.a` is null, so an element of it cannot be read",
    } do
      assert.equal(message, err(chain, "STATE o = {a: null}").message)
    end
    assert.equal("null", eval('s.rep', 'STATE s = "x"'))
  end)

  it("end a chain that `?.` may cut short with its parentheses", function()
    for chain, message in pairs {
      ["(o?.a).b"] = "`o?.a` is null, so `.b` cannot be read", ["({{ o?.a }}[0]).b"] = "`o?.a` is null, so an element of it cannot be read",
      ["((o?.a.b)).c"] = "`o?.a.b` is null, so `.c` cannot be read", ["(o?.a)?.b.c + (o?.a).slice(1)"] = "`o?.a` is null, so `.slice()` cannot be called",
    } do
      assert.equal(message, err(chain, "STATE o = null").message)
    end
    assert.equal("null", eval("(o?.a)?.b.c", "STATE o = null"))
    assert.equal("7", eval("(o?.a).b", "STATE o = {a: {b: 7}}"))
    assert.equal("3", eval("(o?.a).push(1) + (o.a).length - 1", "STATE o = {a: [1]}"))
  end)

  it("make no objects on the way to a key that is set", function()
    local e = err("o", "STATE o = {}\nUPDATE o.a.b = 1")
    assert.equal("`o.a` is null, so `.b` cannot be set", e.message)
  end)

  it("take keys from templates, and shorthand", function()
    assert.equal('{"k1":1,"x":5}', eval('{"k{{n}}": 1, x}', "STATE n = 1\nSTATE x = 5"))
  end)
end)

describe("strings", function()
  it("count code points", function()
    assert.equal("3", eval('s.length', 'STATE s = "aé😀"'))
    assert.equal("😀", eval("s[2]", 'STATE s = "aé😀"'))
    assert.equal("null", eval("s[3]", 'STATE s = "aé😀"'))
  end)

  it("have escapes", function()
    assert.equal("a\nb\t\"'\\é😀", eval [["a\nb\t\"\'\\\u00e9\ud83d\ude00"]])
  end)

  it("over several lines lose the indentation they share", function()
    assert.equal("one\n  two\n\nthree", eval('s', 'STATE s = """\n    one\n      two\n\n    three"""'))
    assert.equal("one\ntwo\n", eval('s', 'STATE s = """\n    one\n    two\n    """'))
  end)

  it("insert the text of a value, once", function()
    assert.equal('n=null a=[1,"x"] o={"k":true} 1.5', eval('"n={{null}} a={{[1, "x"]}} o={{ {k: true} }} {{3 / 2}}"'))
    assert.equal("{{x}}", eval('"\\{{x}}"'))
    assert.equal("a {{1 + 1}} b", eval('"a {{s}} b"', 'STATE s = "\\{{1 + 1}}"'))
    assert.equal("in out", eval([["{{ "in {{ 'out' }}" }}"]]))
  end)

  it("{{ }} where a value is expected is that value", function()
    assert.equal("3", eval("{{ 1 + 2 }}"))
    assert.equal("[3]", eval("[{{ 1 + 2 }}]"))
  end)

  it("longer than the limit are an error, not the end of the process", function()
    local e = run.failure('STATE s = "0123456789abcdef"\nWHILE true:\n  UPDATE s = s + s')
    assert.equal("limit", e.type)
  end)
end)

describe("a value inside itself", function()
  it("has no text and cannot be compared: errors of type `type`", function()
    assert.equal("type", run.failure('STATE l = []\nAPPEND l l\nSTATE s = "{{l}}"').type)
    assert.equal("type", run.failure("STATE l = []\nAPPEND l l\nSTATE m = []\nAPPEND m m\nSTATE s = l == m").type)
    assert.equal("`o.list` is null, so `.push()` cannot be called", run.failure("STATE o = {}\nSTATE n = o.list.push(1)").message)
  end)
end)

describe("nesting", function()
  local function nested(open, close, depth) return open:rep(depth) .. "1" .. close:rep(depth) end

  it("of 150 levels works, and of far more is an error", function()
    for _, pair in ipairs { { "(", ")" }, { "[", "]" }, { "{a: ", "}" }, { "(true ? ", " : 0)" }, { "-", "" }, { "(1 AND ", ")" }, { "(0 OR ", ")" } } do
      assert.is_table(run.compile("STATE x = " .. nested(pair[1], pair[2], 80)), pair[1])
      local program, wrong = run.compile("STATE x = " .. nested(pair[1], pair[2], 5000))
      assert.is_nil(program)
      assert.matches("180 deep", wrong[1].message)
    end
  end)
end)
