local core = require "orchlua.core"

local json, value = core.json, core.value

local function has_node()
  return os.execute "command -v node >/dev/null 2>&1"
end

-- What node's JSON gives for each line of `texts`: its own stringify of the parse, or "error".
local function by_node(texts, script)
  local input, program = os.tmpname(), os.tmpname()
  local file = assert(io.open(input, "wb"))
  file:write(table.concat(texts, "\n"))
  file:close()
  file = assert(io.open(program, "wb"))
  file:write(("const fs = require('fs'); for (const line of fs.readFileSync('%s', 'utf8').split('\\n')) { let out; try { out = %s } catch (e) { out = 'error' } console.log(out) }"):format(input, script))
  file:close()
  local pipe = assert(io.popen("node " .. program))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  os.remove(input)
  os.remove(program)
  return lines
end

-- A text that node printed, with whole numbers of 17 digits and more that fit 64 bits as
-- they are: node ends them in zeros.
local function exact(text)
  return (text:gsub("%f[%w.+-]%-?%d+%f[^%w.+-]", function(digits)
    local n = tonumber(digits) + 0.0
    return #digits > 16 and math.abs(n) < 2.0 ^ 63 and ("%d"):format(n)
  end))
end

local function random_text(depth)
  local kind = math.random(depth > 4 and 5 or 8)
  if kind == 1 then return ("%d"):format(math.random(-1000000, 1000000)) end
  if kind == 2 then return ("%.16e"):format((math.random() - 0.5) * 10 ^ math.random(-30, 30)) end
  if kind == 3 then return ({ "true", "false", "null", "0", "-0", "1e5", "1E-7", "123456789.125" })[math.random(8)] end
  if kind <= 5 then
    local pieces = {}
    for i = 1, math.random(0, 6) do
      pieces[i] = ({ "a", "é", "😀", '\\"', "\\\\", "\\n", "\\u00e9", "\\ud83d\\ude00", "\\u0001", " ", "/" })[math.random(11)]
    end
    return '"' .. table.concat(pieces) .. '"'
  end
  local list = {}
  for i = 1, math.random(0, 5) do
    list[i] = (kind == 8 and ('"k%d": '):format(math.random(4)) or "") .. random_text(depth + 1)
  end
  local joined = table.concat(list, ", ")
  return kind == 8 and "{" .. joined .. "}" or "[" .. joined .. "]"
end

describe("json", function()
  it("keeps what packaged libraries lose", function()
    for _, text in ipairs { "[]", "{}", '{"z":1,"a":[{}]}', "9223372036854775807", "-9223372036854775808", '"\\u0000"', "0.1", "1e+21", "1e-7", "5e-324" } do
      assert.equal(text, json.encode(json.decode(text)))
    end
  end)

  it("takes the last of equal keys, at the place of the first", function()
    assert.equal('{"a":3,"b":2}', json.encode(json.decode '{"a":1,"b":2,"a":3}'))
  end)

  it("refuses what is no JSON, with the place", function()
    for text, at in pairs {
      ["[1,]"] = 4, ["01"] = 1, ["[1"] = 3, ["{"] = 2, ['{"a"}'] = 5, ["nul"] = 1, ['"\1"'] = 2, ['"\255"'] = 2, ["1e999"] = 1, [""] = 1,
      ['"\\x"'] = 3, ["1 2"] = 3, ["+1"] = 1, [".5"] = 1, ["1."] = 1, ["\\u00e9"] = 1, ['"abc'] = 5, ["[1 2]"] = 4,
    } do
      local decoded, message, where = json.decode(text)
      assert.is_nil(decoded, text)
      assert.is_string(message)
      assert.equal(at, where, text .. ": " .. message)
    end
  end)

  it("replaces lone surrogates", function()
    assert.equal("\239\191\189x", json.decode '"\\ud800x"')
    assert.equal("\239\191\189\239\191\189", json.decode '"\\ude00\\ude00"')
  end)

  it("has a limit for depth both ways, far from the stack's end", function()
    assert.is_truthy(json.decode(("["):rep(1000) .. ("]"):rep(1000)))
    assert.is_nil((json.decode(("["):rep(100000) .. ("]"):rep(100000))))
    local deep = value.array {}
    for _ = 1, 100000 do deep = value.array { deep } end
    assert.same({ nil, "nested more than 1000 deep" }, { json.encode(deep) })
  end)

  it("tells a value inside itself from one that is merely deep, and shared is neither", function()
    local cyclic = value.array {}
    cyclic[1] = value.object { "x", x = cyclic }
    assert.same({ nil, "a value inside itself" }, { json.encode(cyclic) })
    local shared = value.array { 1 }
    assert.equal("[[1],[1]]", json.encode(value.array { shared, shared }))
  end)

  it("stops at 256 MiB and at 16 million values, however small the value that unfolds to it", function()
    local list = value.array {}
    for _ = 1, 60 do list = value.array { list, list } end
    assert.same({ nil, "larger than 16777216 values" }, { json.encode(list) })
    list = value.array { ("x"):rep(1024 * 1024) }
    for _ = 1, 60 do list = value.array { list, list } end
    assert.same({ nil, "larger than 268435456 bytes" }, { json.encode(list) })
  end)

  it("tells whether a text would be longer, without making it", function()
    for _, text in ipairs { "[1,2,3]", '"x"', '{"a":[null,true,-1.5],"b":"\\u0001"}', '["' .. ("x"):rep(10000) .. '",1]', "[" .. ("12,"):rep(9999) .. "1]" } do
      local v = json.decode(text)
      assert.is_false(json.longer(v, #text), text)
      assert.is_true(json.longer(v, #text - 1), text)
    end
    local shared = value.array { ("x"):rep(1000) }
    for _ = 1, 60 do shared = value.array { shared, shared } end
    assert.is_true(json.longer(shared, 1000000))
    local cyclic = value.array {}
    cyclic[1] = cyclic
    assert.is_false(json.longer(cyclic, 1000000))
  end)

  it("reads large arrays and objects in pieces", function()
    local numbers, keys = {}, {}
    for i = 1, 100000 do
      numbers[i] = tostring(i)
      keys[i] = ('"k%d":%d'):format(i, i)
    end
    local list = json.decode("[" .. table.concat(numbers, ",") .. "]")
    assert.equal(100000, #list)
    assert.equal(100000, list[100000])
    local object = json.decode("{" .. table.concat(keys, ",") .. "}")
    assert.equal(100000, #object)
    assert.equal(777, object.k777)
  end)

  it("reads slowly what it reads at once, in slices of any size, and pauses between them", function()
    local text = '[' .. ('{"a":[1,{"b":"x"}],"c":null,"d":{}},'):rep(300) .. '"end"]'
    local function slowly(given, slice)
      local pauses, co = 0, coroutine.create(json.decode_slowly)
      local result
      repeat
        result = table.pack(assert(coroutine.resume(co, given, slice)))
        pauses = pauses + 1
      until coroutine.status(co) == "dead"
      return result, pauses
    end
    for _, slice in ipairs { 1, 10, 1000, 1000000 } do
      local result, pauses = slowly(text, slice)
      assert.is_true(core.value.equal(json.decode(text), result[2]))
      assert.is_true(slice > #text and pauses == 1 or pauses > #text // (slice + 50))
    end
    assert.same({ true, nil, "expected `,` or `]`", 6 }, { table.unpack((slowly("[1, 2", 2)), 1, 4) })
    local deep = ("["):rep(1001) .. ("]"):rep(1001)
    assert.equal("nested more than 1000 deep", (slowly(deep, 7))[3])
    assert.has_error(function() json.decode_slowly("1", 0) end)
  end)

  it("finds what lies at paths, as decode reads it", function()
    local text = ' {"a": [{"x": "one"}, {"x": {"deep": [1, null]}, "y": "\\u00e9"}], "b": -1.5, "\\u0063": false, "n": null, "z": []} '
    local all = json.decode(text)
    local paths = { "a/2/x", "a/1/x", "b", "c", "n", "z", "a/3/x", "b/x", "nowhere", "a/2/y" }
    local found = table.pack(json.find(text, paths))
    local expected = { true, all.a[2].x, "one", -1.5, false, value.null, all.z, nil, nil, nil, "é" }
    assert.equal(11, found.n)
    for i = 1, 11 do assert.is_true(expected[i] == nil and found[i] == nil or value.equal(expected[i], found[i]), paths[i - 1]) end
    assert.same({ true }, { json.find("{}", {}) })
    assert.same({ true, nil, 2 }, { json.find('{"a": {"b": 1}, "a": {"c": 2}}', { "a/b", "a/c" }) })
    assert.same({ true, 2 }, { json.find('{"a": 1, "ab": 3, "a": 2}', { "a" }) })
  end)

  it("finds nothing in what decode does not read, or what is no object", function()
    for _, text in ipairs { "{", '{"a"}', '{"a":1,}', '{"a":[1 2]}', '{"a":{"b":"\xff"}}', '{"a":1}x', '{"a":01}', '{"x":["\\q"]}', "" } do
      local whole, found = table.pack(json.decode(text)), table.pack(json.find(text, { "a" }))
      assert.is_nil(found[1], text)
      if text ~= "" then assert.same(whole, found) end
    end
    for _, text in ipairs { "1", "[1]", '"a"', "null" } do
      assert.same({ nil, "expected an object", 1 }, { json.find(text, { "a" }) })
    end
    local function deep(n) return '{"a":' .. ("["):rep(n) .. ("]"):rep(n) .. "}" end
    for _, path in ipairs { "a", "b" } do
      assert.is_true((json.find(deep(999), { path })))
      assert.equal("nested more than 1000 deep", select(2, json.find(deep(1000), { path })))
    end
    assert.same({ true }, { json.find('{"a/b": 1}', { "a/b" }) })
    assert.has_error(function() json.find("{}", { "" }) end)
    assert.has_error(function() json.find("{}", { 1 }) end)
    assert.has_error(function() json.find("{}", { "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a" }) end)
  end)

  it("prints over several lines as JavaScript does", function()
    local v = json.decode '{"a":[1,{"b":[]}],"c":{}}'
    assert.equal('{\n  "a": [\n    1,\n    {\n      "b": []\n    }\n  ],\n  "c": {}\n}', json.encode(v, 2))
    assert.equal('[\n-->1\n]', json.encode(value.array { 1 }, "-->"))
  end)

  it("agrees with node's on random texts", function()
    if not has_node() then return pending "there is no node here" end
    local texts = {}
    for i = 1, 2000 do texts[i] = random_text(1) end
    local expected = by_node(texts, "JSON.stringify(JSON.parse(line))")
    for i, text in ipairs(texts) do
      local decoded = json.decode(text)
      local ours = decoded == nil and "error" or json.encode(decoded)
      assert.equal(exact(expected[i]), ours, text)
    end
  end)

  it("prints numbers as node does", function()
    if not has_node() then return pending "there is no node here" end
    local texts = {}
    for i = 1, 3000 do texts[i] = ("%.17g"):format((math.random() - 0.5) * 10.0 ^ math.random(-320, 308)) end
    local expected = by_node(texts, "String(Number(line))")
    for i, text in ipairs(texts) do assert.equal(exact(expected[i]), value.number_text(tonumber(text) + 0.0), text) end
  end)

  it("reads every number as the one that was written", function()
    for _ = 1, 20000 do
      local n = (math.random() - 0.5) * 10.0 ^ math.random(-320, 308)
      assert.equal(n, json.decode(json.encode(n)))
      n = (math.random() - 0.5) * 2.0 ^ math.random(50, 66)
      assert.equal(n, json.decode(json.encode(n)))
    end
    assert.equal("123456789012345664", json.encode(123456789012345664.0))
    assert.equal("-9223372036854776000", json.encode(-2.0 ^ 63))
  end)

  it("survives any bytes", function()
    local seed = '{"a":[1,-2.5e3,"x\\u00e9\\n",null,true,{"b":{}}],"c":"é"}'
    for _ = 1, 20000 do
      local at = math.random(#seed)
      local text = seed:sub(1, at) .. string.char(math.random(0, 255)) .. seed:sub(at + math.random(0, 3))
      local decoded = json.decode(text)
      if decoded ~= nil then assert.is_string((json.encode(decoded))) end
    end
  end)
end)
