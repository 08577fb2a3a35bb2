local run = require "spec.support.run"

-- The errors (or warnings) of a text as `line:column message`.
local function diagnostics(text, severity, options)
  local program, found, all = run.compile(text, options)
  local list = {}
  for _, diagnostic in ipairs(all or found) do
    if diagnostic.severity == severity then
      list[#list + 1] = ("%d:%d %s"):format(diagnostic.line, diagnostic.column, diagnostic.message)
    end
  end
  return list, program, all or found
end

local function errors(text) return (diagnostics(text, "error")) end
local function warnings(text, options) return (diagnostics(text, "warning", options)) end

local function hint(text)
  local _, found = run.compile(text)
  return found[1] and found[1].hint
end

describe("the layout", function()
  it("takes any consistent indentation, blank lines and comments", function()
    assert.same({}, errors "IF true:\n     STATE a = 1\n\n  # a comment, less indented\n     STATE b = 2\nSTATE c = 3")
    assert.same({}, errors "IF true:\r\n  STATE a = 1\r\nSTATE b = 2\r\n")
    assert.same({}, errors "STATE o = {\n  a: 1, # one\n\n# two\n  b: [1,\n2,],\n}\n")
    assert.same({}, errors "IF true:\n  # nothing to do\nSTATE a = 1")
  end)

  it("names the line of what is wrong", function()
    assert.same({ "2:1 a tab in the indentation" }, errors "IF true:\n\tSTATE a = 1\n")
    assert.same({ "3:3 this indentation matches no open block" }, errors "IF true:\n    STATE a = 1\n  STATE b = 2\n")
    assert.same({ "2:3 unexpected indentation" }, errors "STATE a = 1\n  STATE b = 2\n")
    assert.same({ "1:9 expected a block after the condition of IF" }, errors "IF true:\nSTATE a = 1\n")
    assert.same({ "1:11 `{` is never closed" }, errors "STATE a = {b: 1\nSTATE c = 2\n")
    assert.same({ '1:11 this string is never closed' }, errors 'STATE a = "abc\nSTATE c = 2\n')
  end)

  it("has blocks of one statement on the same line", function()
    assert.same({}, errors "WHILE true: IF true: BREAK\nPARALLEL:\n  BRANCH one two: EVENT agent:status {a: 1}\n  BRANCH {{1 + 1}} x: WAIT 1\n")
  end)
end)

describe("errors", function()
  it("are all reported in one go", function()
    local found = errors "STATE x = \nWHIEL true:\n  STATE a = )\nif x: BREAK\nSTATE 5 = 1\n"
    assert.same({
      "1:11 expected an expression after `=`, and found the end of the line",
      "2:1 `WHIEL` is no statement",
      "3:13 `)` closes nothing",
      "4:1 `if` is no statement",
      "5:7 expected a name or a path to assign to",
    }, found)
  end)

  it("of names come with the nearest known one", function()
    assert.equal("did you mean `results`?", hint "STATE results = 1\nSTATE y = result + resluts")
    assert.equal("did you mean `COUNT`?", hint "STATE x = CUONT([])")
    assert.equal("did you mean `push`?", hint "STATE a = []\nSTATE x = a.psuh(1)")
    assert.is_nil(hint 'RETURN "x".unheard(3)')
    assert.is_nil(hint "RETURN XYZZYX(3)")
    assert.equal("keywords are upper case: IF", hint "if true: BREAK")
    assert.equal("STATE x = … declares it, UPDATE x = … changes it", hint "x = 1")
    assert.equal("`==` compares", hint "STATE x = 1\nIF x = 1: WAIT 1")
  end)

  it("know the constants and the comments of other languages", function()
    for other, ours in pairs { True = "true", FALSE = "false", None = "null", ["nil"] = "null", undefined = "null", NULL = "null" } do
      assert.equal(("did you mean `%s`?"):format(ours), hint("STATE x = " .. other))
    end
    for _, text in ipairs { "// a", "STATE x = 1\n// a b", "/* a */", "-- a", "// don't", "IF true: // a\n  WAIT 1", "STATE o = {\n  a: 1, // one\n}", "IF true:\n  BREAK // a" } do
      assert.equal("comments begin with `#`", hint(text))
    end
    assert.matches("comments begin with `#`", hint "STATE x = 1 // a comment", 1, true)
  end)

  it("of an event's data without braces say so", function()
    assert.equal("the data of an event stands in braces: EVENT agent:status {…}", hint 'EVENT agent:status status: "done", n: 1')
    assert.equal("this statement has no block", hint "EVENT agent:status {a: 1}:")
  end)

  it("of names that are near no known one come without a hint", function()
    local _, found = run.compile "STATE x = toE(1)\nSTATE y = [].qqqqqq(1)"
    assert.same({ "there is no function `toE`", "there is no method `.qqqqqq()`" }, { found[1].message, found[2].message })
    assert.same({}, { found[1].hint, found[2].hint })
  end)

  it("are the first hundred, each with its hint, however many there are", function()
    local names, lines = {}, {}
    for i = 1, 3000 do names[i] = "b" .. i end
    for i = 1, 40 do lines[i] = ("STATE known%d = %d"):format(i, i) end
    local _, found = run.compile("STATE x = [" .. table.concat(names, ", ") .. "]")
    assert.equal(100, #found)
    assert.equal("`b100` is introduced nowhere", found[100].message)
    _, found = run.compile(table.concat(lines, "\n") .. "\nUPDATE knwon7 = 1" .. ("\nSTATE y = knwon30"):rep(3000))
    assert.equal(100, #found)
    assert.same({ "did you mean `known7`?", "did you mean `known30`?" }, { found[1].hint, found[100].hint })
  end)

  it("name the field that a statement or an event does not have", function()
    assert.same({ "1:20 PERSIST has no field `properties`" }, errors 'PERSIST a {key: 1, "properties": {}}')
    assert.equal("did you mean `data`?", hint 'PERSIST note {key: "k", properties: {}}')
    assert.same({ "1:28 state:entity:create has no field `properites`" }, errors "EVENT state:entity:create {properites: {}}")
    assert.equal("did you mean `from`?", hint 'AWAIT {form: "a"} AS m')
    assert.equal("it has file, input, budget", hint 'EVENT orchestration:run {file: "c.dsl", output: 1}')
    assert.same({}, errors 'STATE k = "id"\nEVENT state:entity:get {"{{k}}": 1, on_error: "return"}\nEVENT completion:async {agent_id: "a", any: 1}\nEVENT state:entity:other {a: 1}')
  end)

  it("are found in meaning too", function()
    assert.same({ "1:8 UPDATE of `x`, which is introduced nowhere" }, errors "UPDATE x = 1")
    assert.same({ "1:1 BREAK stands inside a WHILE or FOREACH" }, errors "BREAK")
    assert.matches("cannot leave a parallel loop", errors("PARALLEL:\n  FOREACH x IN [1]:\n    BREAK")[1])
    assert.same({ "1:1 BRANCH stands directly inside a PARALLEL block" }, errors "BRANCH a: WAIT 1")
    assert.matches("at the top level", errors("IF true:\n  INPUT x")[1])
    assert.same({ "1:11 COUNT takes 1 to 2 arguments, and is given 0" }, errors "STATE x = COUNT()")
    assert.matches("a TRY has a CATCH", errors("TRY:\n  WAIT 1")[1])
    assert.matches("comparisons cannot be chained", errors("STATE x = 1 < 2 < 3")[1])
    assert.matches("only as an argument", errors("STATE f = x => x")[1])
    assert.matches("does not fit 64 bits", errors("STATE x = 9223372036854775808")[1])
    assert.matches("reserved word", errors("STATE FOREACH = 1")[1])
    assert.matches("not UTF%-8", errors("STATE x = \"\255\"")[1])
  end)
end)

describe("the element of a collection function", function()
  it("is the one name that is not bound at that point", function()
    assert.equal("[2,3]", run.text "STATE l = [1, 2, 3]\nRETURN FILTER(l, n > 1)")
    assert.equal('["b","a"]', run.text 'STATE l = [{k: 1, n: "a"}, {k: 2, n: "b"}]\nSTATE s = SORT(l, task.k DESC)\nSTATE task = 1\nRETURN MAP(s, t.n)')
    assert.equal("1", run.text 'STATE l = {a: "busy", b: "idle"}\nRETURN COUNT(l, status == "busy")')
    assert.equal("2", run.text 'STATE limit = 2\nSTATE l = [1, 2, 3]\nRETURN COUNT(l, n >= limit)')
    assert.equal("[1]", run.text "STATE teams = [{m: [{a: 5}]}, {m: []}]\nRETURN MAP(FILTER(teams, ANY(t.m, p.a > 1)), 1)")
  end)

  it("is asked for where it is not clear", function()
    assert.matches("which of `a`, `b` is the element of COUNT", errors("STATE x = COUNT([1], a > b)")[1])
    assert.matches("which of `a`, `b` is the element of COUNT", errors("STATE x = COUNT([1], a[b])")[1])
    local list = warnings "STATE l = [1]\nSTATE k = 1\nSTATE x = COUNT(l, k > 0)"
    assert.matches("`k` is taken as the element", list[1])
  end)

  it("may be named, with its key or index", function()
    assert.equal('{"b":2}', run.text 'RETURN FILTER({a: 1, b: 2}, (k, v) => k != "a" AND v > 0)')
    assert.equal("[10,21]", run.text "RETURN MAP([10, 20], (x, i) => x + i)")
    assert.equal("6", run.text "RETURN REDUCE([1, 2, 3], (sum, x) => sum + x)")
  end)

  it("WHERE reads bare names as its fields first", function()
    assert.equal("1", run.text 'STATE want = "done"\nSTATE phases = [{status: "done"}, {status: "open"}]\nRETURN COUNT(phases WHERE status == want)')
  end)
end)

describe("warnings", function()
  it("name what looks wrong, and the program compiles", function()
    assert.matches("nothing has assigned it yet", warnings("STATE a = b\nSTATE b = 1")[1])
    assert.matches("never used", warnings('EVENT agent:status {a: 1} AS r')[1])
    assert.matches("nothing can answer this AWAIT", warnings("AWAIT x:\n  STATE y = x")[1])
    assert.matches("cannot change its condition", warnings("STATE a = 1\nWHILE a < 2:\n  STATE b = 1")[1])
    assert.matches("shared by the parallel iterations", warnings("STATE a = 1\nPARALLEL:\n  FOREACH x IN [1]:\n    UPDATE a = x")[1])
  end)

  it("stay away where nothing is wrong", function()
    for _, text in ipairs {
      "STATE a = 0\nWHILE a < 2:\n  UPDATE a = a + 1", "STATE t = 5\nWHILE ELAPSED() < t:\n  WAIT 1", "STATE l = [1]\nWHILE l.length > 0:\n  l_gone()",
    } do
      if not text:find "l_gone" then assert.same({}, warnings(text)) end
    end
    assert.same({}, warnings "STATE l = [1]\nWHILE l.length > 0:\n  STATE x = l.pop()\n  TRACK {x: x}")
  end)
end)

describe("generated Lua", function()
  it("keeps the source's lines", function()
    local program = run.compile "STATE a = 1\n\nSTATE b = a + 1\nIF b > 1:\n  WAIT 1\n"
    local lines = {}
    for line in (program:lua() .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
    assert.matches("n_a = 1", lines[1])
    assert.matches("n_b = ", lines[3])
    assert.matches('return "wait"', lines[5])
  end)

  it("is golden for a small program", function()
    local program = run.compile "STATE n = 0\nWHILE n < 3:\n  UPDATE n = n + 1\nRETURN n"
    assert.equal(table.concat({
      'local H = ... local h_add = H["add"] local h_more = H["more"] return function(f, v, run)  local n_n = f["n"] local at, n, T = 0, run.work.slice, nil do n_n = 0 end ',
      '::L1:: n = n - 1 if n < 0 then at = 1 n = h_more(run) end do if not (n_n < 3) then goto L2 end end ',
      'do local t1 = n_n + 1 if t1 < n_n then at = 2 t1 = h_add(n_n, 1) end n_n = t1 end goto L1 ::L2:: ',
      'do local t2 = n_n f["n"] = n_n do return "return", t2 end end f["n"] = n_n do return "done" end  end',
    }, "\n"), program:lua())
  end)
end)

describe("a long expression", function()
  local function long(first, link) return first .. link:rep(20000) end

  it("may have twenty thousand links", function()
    assert.equal("1", run.text("STATE a = [1]\nSTATE a[1] = a\nRETURN " .. long("a", "[1]") .. "[0]"))
    assert.equal("1", run.text("STATE a = {v: 1}\nSTATE a.x = a\nRETURN " .. long("a", ".x") .. ".v"))
    assert.equal("null", run.text("STATE a = null\nRETURN " .. long("a?.x", ".x")))
    assert.equal("abc", run.text('STATE a = "abc"\nRETURN ' .. long("a", ".slice(0)")))
    assert.equal("2", run.text("STATE a = {}\nSTATE a.x = a\nUPDATE " .. long("a", ".x") .. ".v = 2\nRETURN a.v"))
    assert.equal("1", run.text("STATE a = {v: 1}\nSTATE a.x = a\nRETURN COUNT([a], " .. long("e", ".x") .. ".v == 1)"))
  end)

  it("needs no stack, however many links it has", function()
    assert.same({}, errors("STATE a = null\nSTATE x = a" .. (".x"):rep(90000)))
  end)

  it("may have twenty thousand terms", function()
    assert.equal("20001", run.text("STATE a = 1\nRETURN " .. long("a", " + a")))
    assert.equal("1", run.text("STATE a = 1\nIF " .. long("a", " AND a") .. ": RETURN 1"))
    assert.equal("20000", run.text('STATE a = 1\nRETURN LENGTH("' .. long("", "{{a}}") .. '")'))
  end)

  it("may have fifty thousand elements", function()
    assert.equal("50000", run.text("RETURN [" .. ("1, "):rep(50000) .. "].length"))
    assert.equal("35000", run.text("STATE a = 1\nRETURN [" .. ("a + 1, "):rep(35000) .. "].length")) -- more than Lua has locals
  end)
end)

describe("names that depend on later ones", function()
  it("compile in good time, and keep their meaning", function()
    local lines = {}
    for i = 1, 2000 do lines[i] = ("STATE k%d = k%d"):format(i, i + 1) end
    lines[#lines + 1] = 'STATE k2001 = "a"\nIF k1 == null: STATE k1 = 2\nRETURN k1 + k2001'
    assert.equal("2a", run.text(table.concat(lines, "\n")))
  end)
end)

describe("any text whatever", function()
  it("gives a program or errors, never a crash", function()
    local file = io.open "../shared/seed/orchestration_patterns.md"
    local seed = file and file:read "a" or 'STATE x = "{{1}}"\nFOREACH a IN [1]:\n  EVENT a:b {c: 1} AS d\n'
    if file then file:close() end
    local blocks = {}
    for block in seed:gmatch "```\n(.-)```" do blocks[#blocks + 1] = block end
    if #blocks == 0 then blocks[1] = seed end
    local pieces = { "{{", "}}", '"', '"""', "\\", "(", ")", "[", "]", "{", "}", ":", "\n", "\n  ", "=>", "IF ", "AS ", "\255", "\0", "#", "##", "TIMEOUT:" }
    for i = 1, 400 do
      local text = blocks[i % #blocks + 1]
      for _ = 1, math.random(3) do
        local at = math.random(#text)
        text = text:sub(1, at) .. pieces[math.random(#pieces)] .. text:sub(at + math.random(0, 6))
      end
      local ok, message = pcall(run.compile, text)
      assert.is_true(ok, message)
    end
  end)
end)
