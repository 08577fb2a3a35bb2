local functions = require "orchlua.functions"
local use = require "spec.support.call"

local of, call, text, failure, null = use.of, use.call, use.text, use.failure, use.null

local function field(name) return function(x) return x[name] end end
local function even(x) return x % 2 == 0 end

describe("a function of a collection", function()
  it("takes an array or an object, and says so of anything else", function()
    for _, name in ipairs { "COUNT", "ANY", "ALL", "FIND", "FILTER", "MAP", "EXTRACT", "REDUCE", "GROUP_BY", "SORT", "SUM", "AVERAGE", "MEDIAN", "VARIANCE",
      "UNIQUE" } do
      local e = failure(name, null, even)
      assert.equal("type", e.type, name)
      assert.equal(name .. " takes an array or an object, and got null", e.message)
    end
    assert.equal("COUNT takes an array or an object, and got a string", failure("COUNT", "abc").message)
  end)

  it("gives its function the value, the key and whether it is an object's", function()
    local seen = {}
    local function see(v, key, is_object)
      seen[#seen + 1] = ("%s %s %s"):format(v, key, is_object)
      return v
    end
    call("MAP", of '["a", "b"]', see)
    call("MAP", of '{"x": "c", "y": "d"}', see)
    assert.same({ "a 0 false", "b 1 false", "c x true", "d y true" }, seen)
  end)

  it("counts the elements it looks at as steps, before it looks", function()
    for _, name in ipairs { "MAP", "FILTER", "COUNT", "SORT", "GROUP_BY", "UNIQUE", "SUM", "ANY" } do
      local run = use.run()
      function run:charge(n)
        self.steps = self.steps + n
        error("too many", 0)
      end
      local looked = false
      assert.has_error(function() functions[name].fn(run, of "[1, 2, 3]", function() looked = true end) end, "too many")
      assert.equal(3, run.steps, name)
      assert.is_false(looked)
    end
  end)

  it("ends early when its function makes the list shorter", function()
    for _, name in ipairs { "MAP", "FILTER", "COUNT", "SORT", "UNIQUE", "MAX", "GROUP_BY", "ANY", "ALL" } do
      local list = of "[1, 2, 3, 4]"
      functions[name].fn(use.run(), list, function(x)
        table.remove(list)
        return name ~= "ANY" and x or false
      end)
      assert.equal(2, #list, name)
    end
  end)
end)

describe("COUNT, ANY and ALL", function()
  it("count and test elements, or what makes an expression true", function()
    assert.equal(3, call("COUNT", of "[null, 0, 1]"))
    assert.equal(2, call("COUNT", of '{"a": 1, "b": 2}'))
    assert.equal(2, call("COUNT", of "[1, 2, 4]", even))
    assert.equal(1, call("COUNT", of '[{"ok": true}, {"ok": ""}, {"ok": null}]', field "ok"))
    assert.is_true(call("ANY", of "[0, 1]"))
    assert.is_false(call("ANY", of '[0, "", null, false]'))
    assert.is_false(call("ANY", of "[]"))
    assert.is_true(call("ALL", of "[]"))
    assert.is_true(call("ALL", of "[[], {}]"))
    assert.is_false(call("ALL", of "[2, 3]", even))
  end)
end)

describe("FILTER, MAP, FIND and EXTRACT", function()
  it("choose and change", function()
    assert.equal("[2,4]", text("FILTER", of "[1, 2, 3, 4]", even))
    assert.equal('{"b":2}', text("FILTER", of '{"a": 1, "b": 2, "c": 3}', even))
    assert.equal("{}", text("FILTER", of '{"a": 1}', even))
    assert.equal("[]", text("FILTER", of "[1]", even))
    assert.equal("[false,true]", text("MAP", of '{"a": 1, "b": 2}', even))
    assert.equal("[null]", text("MAP", of '[1]', function() return null end))
    assert.equal("2", text("FIND", of "[1, 2, 4]", even))
    assert.equal("null", text("FIND", of "[1]", even))
    assert.equal("false", text("FIND", of "[1, false]", function(x) return x == false end))
    assert.equal("[2]", text("EXTRACT", of "[1, 2]", even, true))
    assert.equal("[false,true]", text("EXTRACT", of "[1, 2]", even, false))
  end)
end)

describe("REDUCE", function()
  local function add(a, b) return a + b end

  it("begins with what it is given, else with the first element", function()
    assert.equal(6, call("REDUCE", of "[1, 2, 3]", add))
    assert.equal(16, call("REDUCE", of "[1, 2, 3]", add, 10))
    assert.equal(10, call("REDUCE", of "[]", add, 10))
    assert.equal(null, call("REDUCE", of "[]", add))
    assert.equal(5, call("REDUCE", of "[5]", function() error "not called" end))
    assert.equal("null1", call("REDUCE", of "[1]", function(a, b) return (a == null and "null" or "") .. b end, null))
    assert.equal(false, call("REDUCE", of "[1, 2]", function() return false end))
  end)
end)

describe("GROUP_BY", function()
  it("gathers elements under the text of their key, in order", function()
    assert.equal('{"b":[1,3],"a":[2]}', text("GROUP_BY", of "[1, 2, 3]", function(x) return x % 2 == 1 and "b" or "a" end))
    assert.equal('{"null":["x"],"1":["y"],"[1]":["z"]}', text("GROUP_BY", of '["x", "y", "z"]', function(x)
      return x == "x" and null or x == "y" and 1.0 or of "[1]"
    end))
  end)

  it("has no text for a value inside itself", function()
    local loop = of "[]"
    loop[1] = loop
    local e = failure("GROUP_BY", of "[1]", function() return loop end)
    assert.equal("type", e.type)
    assert.equal("GROUP_BY cannot write a value inside itself", e.message)
  end)
end)

describe("SORT", function()
  it("orders numbers and strings, without changing the list", function()
    local list = of "[3, 1.5, -2, 10]"
    assert.equal("[-2,1.5,3,10]", text("SORT", list, nil, false))
    assert.equal("[10,3,1.5,-2]", text("SORT", list, nil, true))
    assert.equal(3, list[1])
    assert.equal('["B","a","é"]', text("SORT", of '["é", "a", "B"]', nil, false))
    assert.equal("[1,2]", text("SORT", of '{"x": 2, "y": 1}', nil, false))
    assert.equal("[]", text("SORT", of "[]", nil, true))
  end)

  it("keeps the order of equal keys, ascending and descending, with null keys last", function()
    local list = of '[{"k":1,"n":0},{"k":null,"n":1},{"k":2,"n":2},{"k":1,"n":3},{"k":null,"n":4},{"k":2,"n":5}]'
    local function names(descending)
      local result = {}
      for i, x in ipairs(call("SORT", list, field "k", descending)) do result[i] = x.n end
      return table.concat(result, " ")
    end
    assert.equal("0 3 2 5 1 4", names(false))
    assert.equal("2 5 0 3 1 4", names(true))
  end)

  it("refuses keys that do not compare", function()
    local e = failure("SORT", of '[1, "a"]', nil, false)
    assert.equal("type", e.type)
    assert.equal("SORT orders numbers or strings, and its keys are a number and a string", e.message)
    assert.equal("SORT takes numbers or strings as keys, and got an object", failure("SORT", of "[{}]", nil, false).message)
  end)

  it("agrees with an oracle on random lists of every length", function()
    local run = use.run(7)
    for length = 0, 70 do
      local list, oracle = of "[]", {}
      for i = 1, length do
        list[i] = of(('{"k": %d, "n": %d}'):format(math.floor(run:random() * 12), i))
        oracle[i] = list[i]
      end
      for _, descending in ipairs { false, true } do
        table.sort(oracle, function(a, b)
          if a.k ~= b.k then return (a.k < b.k) ~= descending end
          return a.n < b.n
        end)
        local sorted = call("SORT", list, field "k", descending)
        for i = 1, length do assert.equal(oracle[i].n, sorted[i].n) end
      end
    end
  end)
end)
