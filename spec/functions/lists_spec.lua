local core = require "orchlua.core"
local run = require "spec.support.run"
local use = require "spec.support.call"

local of, call, text, failure, null = use.of, use.call, use.text, use.failure, use.null

describe("RANGE", function()
  it("has the numbers that a loop over it sees, also at the ends of the integers", function()
    for _, range in ipairs {
      "9007199254740993, 9007199254740996", "9223372036854775800, 9223372036854775807", "9223372036854775800, 9223372036854775807, 3",
      "-9223372036854775800, -9223372036854775807, -3", "0, 1, 0.25", "5, 5", "5, 1", "1, 5, -1", "10, 0, -3",
    } do
      local seen = run.result(("STATE n = []\nFOREACH i IN RANGE(%s): APPEND n i\nRETURN [n, RANGE(%s)]"):format(range, range), {})
      assert.equal(core.value.text(seen[2]), core.value.text(seen[1]), range)
    end
    assert.equal("[9223372036854775800,9223372036854775803,9223372036854775806]", run.text "RETURN RANGE(9223372036854775800, 9223372036854775807, 3)")
  end)

  it("goes up to, not including, its end", function()
    assert.equal("[0,1,2]", text("RANGE", 3))
    assert.equal("[2,3]", text("RANGE", 2, 4))
    assert.equal("[0,5,10]", text("RANGE", 0, 11, 5))
    assert.equal("[3,2,1]", text("RANGE", 3, 0, -1))
    assert.equal("[]", text("RANGE", 3, 0))
    assert.equal("[]", text("RANGE", -4))
    assert.equal("[0,0.25,0.5,0.75]", text("RANGE", 0, 1, 0.25))
    assert.equal("integer", math.type(call("RANGE", 3.0)[1]))
  end)

  it("knows the ends of the integers", function()
    assert.equal("[9223372036854775806]", text("RANGE", math.maxinteger - 1, math.maxinteger))
    assert.equal("[]", text("RANGE", 0, math.mininteger))
    assert.equal(4, #call("RANGE", math.mininteger, math.maxinteger, 1 << 62))
    assert.equal("limit", failure("RANGE", math.mininteger, math.maxinteger).type)
  end)

  it("has limits, and wants numbers", function()
    assert.equal("limit", failure("RANGE", 10000001).type)
    assert.equal("limit", failure("RANGE", 0, 1e308, 1e-308).type)
    assert.equal("arithmetic", failure("RANGE", 0, 1, 0).type)
    assert.equal("RANGE takes a number, and got null", failure("RANGE", null).message)
  end)
end)

describe("KEYS, VALUES, ENTRIES and MERGE", function()
  it("keep the order of the keys", function()
    local o = of '{"z": 1, "a": [2]}'
    assert.equal('["z","a"]', text("KEYS", o))
    assert.equal("[1,[2]]", text("VALUES", o))
    assert.equal('[["z",1],["a",[2]]]', text("ENTRIES", o))
    assert.equal('{"z":9,"a":[2],"n":null}', text("MERGE", o, of '{"z": 9, "n": null}'))
    assert.equal("{}", text("MERGE", of "{}"))
  end)

  it("number the elements of an array from 0", function()
    assert.equal("[0,1]", text("KEYS", of '["a", "b"]'))
    assert.equal('[[0,"a"]]', text("ENTRIES", of '["a"]'))
    assert.equal("KEYS takes an object or an array, and got null", failure("KEYS", null).message)
    assert.equal("MERGE takes an object, and got an array", failure("MERGE", of "{}", of "[]").message)
  end)
end)

describe("LENGTH, SLICE, REVERSE, APPEND and ZIP", function()
  it("take arrays, and where it makes sense strings and objects", function()
    assert.equal(2, call("LENGTH", of "[1, 2]"))
    assert.equal(1, call("LENGTH", of '{"a": 1}'))
    assert.equal(3, call("LENGTH", "aé😀"))
    assert.equal("LENGTH takes an array, an object or a string, and got null", failure("LENGTH", null).message)
    assert.equal("[3,2,1]", text("REVERSE", of "[1, 2, 3]"))
    assert.equal('"😀éa"', text("REVERSE", "aé😀"))
    assert.equal("SLICE takes an array or a string, and got a number", failure("SLICE", 1, 0).message)
  end)

  it("leave their lists as they are", function()
    local list = of "[1]"
    assert.equal("[1,2,[3]]", text("APPEND", list, 2, of "[3]"))
    assert.equal(1, #list)
    assert.equal('[[1,"a",true],[2,"b",false]]', text("ZIP", of "[1, 2, 3]", of '["a", "b"]', of "[true, false]"))
    assert.equal("[]", text("ZIP", of "[1]", of "[]"))
  end)

  it("slice as JavaScript does", function()
    if not use.has_node() then return pending "no node here" end
    local bounds, expressions, given = { null, 0, 1, 2, 4, 5, 9, -1, -2, -5, -9, 1.5, -1.5, 2.0, -0.5, 1e300, -1e300 }, {}, {}
    for _, a in ipairs(bounds) do
      for _, b in ipairs(bounds) do
        local function js(n) return n == null and "undefined" or ("%.17g"):format(n) end
        expressions[#expressions + 1] = ('[[..."héllo"].slice(%s, %s).join("")]'):format(js(a), js(b))
        given[#given + 1] = { a, b }
      end
    end
    local expected = use.node("[" .. table.concat(expressions, ",") .. "]")
    for i, bound in ipairs(given) do
      local about = ("slice %s %s"):format(tostring(bound[1]), tostring(bound[2]))
      assert.equal(expected[i][1], call("SLICE", "héllo", bound[1], bound[2]), about)
      assert.equal(expected[i][1], table.concat(call("SLICE", of '["h","é","l","l","o"]', bound[1], bound[2])), about)
    end
  end)
end)

describe("FLATTEN", function()
  it("opens one level, or as many as it is told", function()
    local list = of "[1, [2, [3, [4]]], [], {\"a\": [5]}]"
    assert.equal('[1,2,[3,[4]],{"a":[5]}]', text("FLATTEN", list))
    assert.equal('[1,2,3,[4],{"a":[5]}]', text("FLATTEN", list, 2))
    assert.equal('[1,2,3,4,{"a":[5]}]', text("FLATTEN", list, 99))
    assert.equal('[1,[2,[3,[4]]],[],{"a":[5]}]', text("FLATTEN", list, 0))
    assert.equal("[1,2]", text("FLATTEN", of '{"a": [1], "b": [2]}'))
  end)

  it("of a list inside itself ends", function()
    local list = of "[1]"
    list[2] = list
    assert.equal(1001 + 1, #call("FLATTEN", list, 100000))
  end)
end)

describe("CONTAINS", function()
  it("looks for elements by value, for keys, for text", function()
    assert.is_true(call("CONTAINS", of '[1, {"a": [1]}]', of '{"a": [1.0]}'))
    assert.is_true(call("CONTAINS", of "[null]", null))
    assert.is_false(call("CONTAINS", of '["1"]', 1))
    assert.is_true(call("CONTAINS", of '{"a": null}', "a"))
    assert.is_true(call("CONTAINS", of '{"1": 0}', 1.0))
    assert.is_true(call("CONTAINS", "a.b%", ".b%"))
    assert.is_true(call("CONTAINS", "a", ""))
    assert.equal("CONTAINS in a string takes a string, and got a number", failure("CONTAINS", "a1", 1).message)
    assert.equal("CONTAINS takes an array, an object or a string, and got null", failure("CONTAINS", null, 1).message)
  end)
end)

describe("comparing values inside themselves", function()
  it("is an error, not the end of the process", function()
    local a, b = of "[]", of "[]"
    a[1], b[1] = a, b
    local list = of "[]"
    list[1] = a
    assert.is_true(call("CONTAINS", list, a))
    local e = failure("CONTAINS", list, b)
    assert.equal("type", e.type)
    assert.equal("CONTAINS: values nested more than 1000 deep cannot be compared", e.message)
    assert.equal("type", use.method_failure("indexOf", list, b).type)
  end)
end)

describe("UNIQUE", function()
  it("keeps the first of equal elements, deeply and without coercion", function()
    assert.equal('[1,"1",true,null,[1],{"a":1,"b":2},{"a":1},"true",[]]', text("UNIQUE",
      of '[1, "1", 1.0, true, null, [1], [1.0], {"a":1,"b":2}, {"b":2,"a":1}, {"a":1}, null, "true", [], true, []]'))
    assert.equal('[{"a":1,"b":1}]', text("UNIQUE", of '[{"a":1,"b":1},{"a":1,"b":2}]', function(x) return x.a end))
    assert.equal('[["a,s1:b"],["a","b"],[["a"],"b"],{"a":null},[{}],[[]]]', text("UNIQUE",
      of '[["a,s1:b"], ["a","b"], [["a"],"b"], {"a":null}, [{}], [[]]]'))
    assert.equal(2, #call("UNIQUE", of "[9007199254740993, 9007199254740992.0]"))
    assert.equal("[[9007199254740992]]", text("UNIQUE", of "[[9007199254740992], [9007199254740992.0]]"))
  end)

  it("takes time in proportion, also for objects and for what they share", function()
    local list = of "[]"
    for i = 1, 20000 do list[i] = of(('{"n": %d}'):format(i % 10000)) end
    assert.equal(10000, #call("UNIQUE", list))
    local deep = of "[1]"
    for _ = 1, 200 do
      local outer = of "[]"
      outer[1], outer[2] = deep, deep
      deep = outer
    end
    local pair = of "[]"
    pair[1], pair[2] = deep, deep
    assert.equal(1, #call("UNIQUE", pair))
  end)

  it("refuses a value inside itself", function()
    local loop = of "[[]]"
    loop[1] = loop
    local list = of "[]"
    list[1] = loop
    local e = failure("UNIQUE", list)
    assert.equal("type", e.type)
    assert.equal("UNIQUE cannot compare a value inside itself", e.message)
  end)
end)
