local core = require "orchlua.core"

local value = core.value

describe("kind", function()
  it("names the kinds of the language, and nothing else", function()
    for expected, v in pairs { null = value.null, boolean = false, number = 1.5, string = "", array = value.array {}, object = value.object {} } do
      assert.equal(expected, value.kind(v))
    end
    assert.equal("object", value.kind(setmetatable({}, value.Reply)))
    for _, v in ipairs { {}, print, coroutine.create(print), io.stdout } do assert.is_nil(value.kind(v)) end
  end)
end)

describe("copy", function()
  it("is deep, and keeps order, kinds and hidden fields", function()
    local v = setmetatable({ "list", list = value.array { value.object { "z", "a", z = 1, a = 2 } }, hidden = "h" }, value.Reply)
    local c = value.copy(v)
    c.list[1].z = 9
    assert.equal(1, v.list[1].z)
    assert.equal("h", c.hidden)
    assert.equal('{"list":[{"z":9,"a":2}]}', core.json.encode(c))
    assert.equal(value.Reply, getmetatable(c))
  end)

  it("keeps what is shared shared, and what is cyclic cyclic", function()
    local shared = value.array { 1 }
    local c = value.copy(value.array { shared, shared })
    assert.equal(c[1], c[2])
    local cyclic = value.array {}
    cyclic[1] = cyclic
    local copied = value.copy(cyclic)
    assert.equal(copied, copied[1])
    assert.not_equal(cyclic, copied)
  end)

  it("of a value nested too deep says so", function()
    local deep = value.array {}
    for _ = 1, 5000 do deep = value.array { deep } end
    assert.same({ nil, "nested more than 1000 deep" }, { value.copy(deep) })
  end)

  it("gives a fresh flat table back itself", function()
    local flat, nested = value.array { 1 }, value.array { value.array {} }
    assert.equal(flat, value.copy(flat, true))
    assert.not_equal(flat, value.copy(flat))
    assert.not_equal(nested, value.copy(nested, true))
  end)

  it("refuses what is no value", function()
    assert.has_error(function() value.copy(print) end)
  end)
end)

describe("equal", function()
  it("is by value, without coercion, whatever the order of keys", function()
    local a = value.object { "x", "y", x = 1, y = value.array { 2 } }
    local b = value.object { "y", "x", x = 1.0, y = value.array { 2 } }
    assert.is_true(value.equal(a, b))
    assert.is_false(value.equal(1, "1"))
    assert.is_false(value.equal(value.array {}, value.object {}))
    assert.is_false(value.equal(value.null, false))
    assert.is_false(value.equal(value.array { 1 }, value.array { 1, 2 }))
  end)
end)

describe("text", function()
  it("is what templates insert", function()
    assert.equal("x", value.text "x")
    assert.equal("null", value.text(value.null))
    assert.equal("3", value.text(3.0))
    assert.equal('[1,"a"]', value.text(value.array { 1, "a" }))
    assert.equal("out", value.text(setmetatable({ "success", success = true, output = "out" }, value.Reply)))
    assert.equal('{"success":false}', value.text(setmetatable({ "success", success = false, output = value.null }, value.Reply)))
  end)
end)

describe("utf8", function()
  it("replaces each invalid sequence by one U+FFFD", function()
    local r = "\239\191\189"
    for bad, good in pairs {
      ["a\255b"] = "a" .. r .. "b", ["\226\130"] = r, ["\240\159\152"] = r, ["\237\160\128"] = r .. r .. r, ["\192\128"] = r .. r, ["é😀"] = "é😀",
      ["\244\144\128\128"] = r .. r .. r .. r, ["\128"] = r, [""] = "",
    } do
      assert.equal(good, value.utf8(bad))
    end
  end)

  it("gives valid text whatever the bytes", function()
    for _ = 1, 2000 do
      local bytes = {}
      for i = 1, math.random(0, 20) do bytes[i] = string.char(math.random(0, 255)) end
      assert.is_truthy(utf8.len(value.utf8(table.concat(bytes))))
    end
  end)
end)

describe("from_lua", function()
  it("makes arrays of 1..n, and of all else objects with sorted keys", function()
    assert.equal('[1,"a",null]', value.text(value.from_lua { 1, "a", value.null }))
    assert.equal('{"a":{},"b":[true]}', value.text(value.from_lua { b = { true }, a = {} }))
    assert.equal('{"1":"x","3":"y"}', value.text(value.from_lua { [1] = "x", [3] = "y" }))
    assert.equal('{"1":1,"10":5,"3":3}', value.text(value.from_lua { 1, nil, 3, [10] = 5 }))
    assert.equal('{"-1":2,"1":1,"3":3}', value.text(value.from_lua { 1, nil, 3, [-1] = 2 }))
    assert.equal("{}", value.text(value.from_lua {}))
    assert.equal("null", value.text(value.from_lua(nil)))
  end)

  it("keeps what is marked already", function()
    assert.equal('{"z":[],"a":{}}', value.text(value.from_lua(value.object { "z", "a", z = value.array {}, a = {} })))
  end)

  it("refuses what has no place in the language, and says what", function()
    local cyclic = {}
    cyclic.c = cyclic
    for _, v in ipairs { { f = print }, { 1 / 0 }, cyclic, { [true] = 1 }, { coroutine.create(print) }, { io.stdout }, { [1.5] = 1 } } do
      local converted, message = value.from_lua(v)
      assert.is_nil(converted)
      assert.is_string(message)
    end
  end)

  it("makes strings valid UTF-8, keys too", function()
    assert.equal('{"k\239\191\189":"\239\191\189"}', value.text(value.from_lua { ["k\255"] = "\254" }))
  end)
end)

describe("sha256", function()
  it("is FIPS 180-4's", function()
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", core.digest.sha256 "abc")
  end)
end)
