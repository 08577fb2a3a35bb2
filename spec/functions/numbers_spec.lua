local use = require "spec.support.call"

local call, text, failure = use.call, use.text, use.failure

describe("ROUND", function()
  it("rounds halves up, as JavaScript does", function()
    for x, expected in pairs { [2.5] = "3", [-2.5] = "-2", [-2.6] = "-3", [0.49999999999999994] = "0", [-0.2] = "0", [1e300] = "1e+300" } do
      assert.equal(expected, text("ROUND", x), tostring(x))
    end
    assert.equal("integer", math.type(call("ROUND", 2.4)))
    assert.equal("3", text("ROUND", 2.5, use.null))
  end)

  it("agrees with Math.round on numbers of every size", function()
    if not use.has_node() then return pending "no node here" end
    local run, given, texts = use.run(3), {}, {}
    for i = 1, 400 do
      given[i] = (run:random() - 0.5) * 10 ^ math.floor(run:random() * 20)
      if i % 3 == 0 then given[i] = math.floor(given[i]) + 0.5 end
      texts[i] = ("%.17g"):format(given[i])
    end
    local expected = use.node("[" .. table.concat(texts, ",") .. "].map(x => Math.round(x))")
    for i, x in ipairs(given) do assert.equal(expected[i] + 0.0, call("ROUND", x) + 0.0, texts[i]) end
  end)

  it("to digits goes by the decimal text, halves up", function()
    local cases = {
      { 1.005, 2, "1.01" }, { 1.004, 2, "1" }, { -1.005, 2, "-1" }, { -1.0051, 2, "-1.01" }, { 2.345, 1, "2.3" }, { 0.05, 1, "0.1" }, { 0.04, 1, "0" },
      { 1e-7, 2, "0" }, { 5e-7, 6, "0.000001" }, { 1.5e-7, 8, "1.5e-7" }, { 9.995, 2, "10" }, { 99.5, -2, "100" }, { 1234.5678, -2, "1200" },
      { 1e21, 2, "1e+21" }, { 123456789012.345, 2, "123456789012.35" }, { 0.1 + 0.2, 10, "0.3" }, { 33.333333, 1, "33.3" }, { 5e-324, 2, "0" },
      { 0.5, 300, "0.5" }, { 40.0, -2, "0" }, { -0.04, 1, "0" }, { 7, 3, "7" },
    }
    for _, case in ipairs(cases) do assert.equal(case[3], text("ROUND", case[1], case[2]), case[1] .. " to " .. case[2]) end
  end)

  it("rounds integers to tens exactly", function()
    assert.equal("1234567890123456800", text("ROUND", 1234567890123456789, -2))
    assert.equal("20", text("ROUND", 15, -1))
    assert.equal("-10", text("ROUND", -15, -1))
    assert.equal("0", text("ROUND", 4, -1))
    assert.equal("0", text("ROUND", 7, -400))
    assert.equal("7", text("ROUND", 7, math.maxinteger))
    assert.equal("0", text("ROUND", 7, math.mininteger))
    assert.equal("0", text("ROUND", 7.5, math.mininteger))
    assert.equal("arithmetic", failure("ROUND", math.maxinteger, -1).type)
    assert.equal("arithmetic", failure("ROUND", math.mininteger, -1).type)
  end)

  it("wants numbers", function()
    assert.equal("ROUND takes a number, and got a string", failure("ROUND", "1").message)
    assert.equal("ROUND takes a whole number, and got 1.5", failure("ROUND", 1, 1.5).message)
  end)
end)

describe("FLOOR, CEIL, ABS, SQRT and POW", function()
  it("keep integers", function()
    assert.equal("-3", text("FLOOR", -2.5))
    assert.equal("-2", text("CEIL", -2.5))
    assert.equal("integer", math.type(call("CEIL", 2.1)))
    assert.equal("1e+300", text("FLOOR", 1e300))
    assert.equal("9223372036854775807", text("ABS", -math.maxinteger))
    assert.equal("1.5", text("ABS", -1.5))
    assert.equal("integer", math.type(call("SQRT", 16)))
    assert.equal(math.sqrt(2), call("SQRT", 2))
    assert.equal("1024", text("POW", 2, 10))
    assert.equal("-9223372036854775808", text("POW", -2, 63))
    assert.equal("0.25", text("POW", 2, -2))
    assert.equal("1", text("POW", 0, 0))
    assert.equal("1", text("POW", -1, 1 << 40))
    assert.equal("1e+30", text("POW", 10.0, 30))
  end)

  it("are errors where the result is no finite number or no integer of 64 bits", function()
    for _, given in ipairs { { "ABS", math.mininteger }, { "SQRT", -1 }, { "POW", 10, 19 }, { "POW", 2, 63 }, { "POW", 3, math.maxinteger }, { "POW", 0, -1 },
      { "POW", -8, 0.5 }, { "POW", 1e200, 2 }, { "POW", math.mininteger, 2 } } do
      assert.equal("arithmetic", failure(table.unpack(given)).type, given[1] .. " " .. given[2])
    end
    assert.equal("the result of POW does not fit a 64-bit integer", failure("POW", 10, 19).message)
    assert.equal("FLOOR takes a number, and got null", failure("FLOOR", use.null).message)
  end)
end)
