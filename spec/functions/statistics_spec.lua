local use = require "spec.support.call"

local of, call, text, failure, null = use.of, use.call, use.text, use.failure, use.null

local function field(name) return function(x) return x[name] or null end end

describe("SUM, AVERAGE, MEDIAN and VARIANCE", function()
  it("pass over nulls", function()
    local list = of '[{"q": 2}, {"q": null}, {}, {"q": 4}]'
    assert.equal(6, call("SUM", list, field "q"))
    assert.equal(3, call("AVERAGE", list, field "q"))
    assert.equal(3, call("MEDIAN", list, field "q"))
    assert.equal(1, call("VARIANCE", list, field "q"))
    assert.equal(2, call("SUM", of '{"a": 1, "b": 1, "c": null}'))
  end)

  it("of nothing are null, but for SUM", function()
    for _, empty in ipairs { "[]", "{}", "[null]" } do
      assert.equal("0", text("SUM", of(empty)))
      for _, name in ipairs { "AVERAGE", "MEDIAN", "VARIANCE", "MIN", "MAX" } do assert.equal(null, call(name, of(empty)), name) end
    end
  end)

  it("keep integers where they are exact", function()
    assert.equal("integer", math.type(call("SUM", of "[1, 2]")))
    assert.equal("9007199254740993", text("AVERAGE", of "[9007199254740992, 9007199254740994]"))
    assert.equal("2.5", text("AVERAGE", of "[2, 3]"))
    assert.equal("2.5", text("MEDIAN", of "[9, 1, 2, 3]"))
    assert.equal("2", text("MEDIAN", of "[3, 1, 2]"))
    assert.equal("1.25", text("VARIANCE", of "[1, 2, 3, 4]"))
    assert.equal("0", text("VARIANCE", of "[5]"))
  end)

  it("never leave their range in silence", function()
    assert.equal("the result of SUM does not fit a 64-bit integer", failure("SUM", of "[9223372036854775807, 1]").message)
    assert.equal("arithmetic", failure("SUM", of "[1e308, 1e308]").type)
    assert.equal("arithmetic", failure("VARIANCE", of "[1e200, -1e200]").type)
    assert.equal("1e+308", text("AVERAGE", of "[1e308, 1e308]"))
    assert.equal("1e+308", text("MEDIAN", of "[1e308, 1e308]"))
    assert.equal("9223372036854776000", text("AVERAGE", of "[9223372036854775807, 9223372036854775805]"))
  end)

  it("want numbers", function()
    local e = failure("SUM", of '[1, "2"]')
    assert.equal("type", e.type)
    assert.equal("SUM takes numbers, and got a string", e.message)
  end)
end)

describe("MIN and MAX", function()
  it("compare their arguments, or the items of one list", function()
    assert.equal(1, call("MIN", 3, 1, 2))
    assert.equal(3, call("MAX", of "[3, null, 2]"))
    assert.equal(2, call("MAX", 2, null))
    assert.equal("b", call("MAX", "a", "b"))
    assert.equal(5, call("MAX", 5))
    assert.equal(4, call("MAX", of '{"a": 4, "b": -1}'))
    assert.equal("integer", math.type(call("MAX", 1, 2)))
  end)

  it("with a key give the element, the first of equals", function()
    local list = of '[{"s": 1, "n": "a"}, {"s": 5, "n": "b"}, {"n": "c"}, {"s": 5, "n": "d"}]'
    assert.equal("b", call("MAX", list, field "s").n)
    assert.equal("a", call("MIN", list, field "s").n)
    assert.equal(null, call("MAX", of "[]", field "s"))
    assert.equal(false, call("MAX", of "[false]", function() return 1 end))
  end)

  it("refuse what does not compare", function()
    assert.equal("MAX compares numbers or strings, and got a number and a string", failure("MAX", 1, "a").message)
    assert.equal("MAX takes numbers, an array or an object, and got null", failure("MAX", null).message)
    assert.equal("MIN takes numbers or strings, and got an array", failure("MIN", of "[1]", 2).message)
    assert.equal("MIN takes an array or an object, and got null", failure("MIN", null, field "s").message)
  end)
end)
