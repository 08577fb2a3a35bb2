local core = require "orchlua.core"
local run = require "spec.support.run"

local function text(program, options) return run.text(program, options) end

describe("IF", function()
  local program = [[
INPUT n
IF n < 0:
  RETURN "negative"
ELSE IF n == 0:
  # a comment closes nothing

  RETURN "zero"
ELIF n < 10: RETURN "small"
ELSE:
  RETURN "large"
]]
  it("takes the first clause that holds", function()
    for n, expected in pairs { [-1] = "negative", [0] = "zero", [5] = "small", [50] = "large" } do
      assert.equal(expected, text(program, { input = { n = n } }))
    end
  end)
end)

describe("loops", function()
  it("WHILE with BREAK and CONTINUE", function()
    assert.equal("[1,2,4,5]", text [[
STATE out = []
STATE i = 0
WHILE true:
  UPDATE i = i + 1
  IF i == 3: CONTINUE
  IF i > 5: BREAK
  APPEND out i
RETURN out
]])
  end)

  it("FOREACH over arrays, objects and ranges", function()
    assert.equal('["0a","1b"]', text 'STATE o = []\nFOREACH x IN ["a", "b"]:\n  APPEND o FOREACH_INDEX + x\nRETURN o')
    assert.equal('["k","l"]', text 'STATE o = []\nFOREACH k IN {k: 1, l: 2}:\n  APPEND o k\nRETURN o')
    assert.equal('["k1","l2"]', text 'STATE o = []\nFOREACH k, v IN {k: 1, l: 2}:\n  APPEND o k + v\nRETURN o')
    assert.equal('["0x","1y"]', text 'STATE o = []\nFOREACH i, v IN ["x", "y"]:\n  APPEND o i + v\nRETURN o')
    assert.equal("[3,5,7]", text "STATE o = []\nFOREACH i IN RANGE(3, 9, 2):\n  APPEND o i\nRETURN o")
    assert.equal("[3,2,1]", text "STATE o = []\nFOREACH i IN RANGE(3, 0, -1):\n  APPEND o i\nRETURN o")
    assert.equal("[[0,3],[1,4],[0,0],[1,1]]", text([[
STATE o = []
FOREACH i, n IN RANGE(3, 5):
  APPEND o [i, n]
FOREACH i, n IN RANGE(2):
  APPEND o [i, n]
RETURN o
]]))
  end)

  it("fix the list when they start", function()
    assert.equal("4", text "STATE l = [1, 2]\nFOREACH x IN l:\n  APPEND l x\nRETURN l.length")
  end)

  it("go on where they were after a wait", function()
    assert.equal("[[0,0],[0,1],[1,0],[1,1]]", text [[
STATE out = []
FOREACH i IN RANGE(2):
  FOREACH j IN [0, 1]:
    WAIT 1
    APPEND out [i, j]
RETURN out
]])
  end)

  it("keep block names to their block, where they shadow", function()
    assert.equal('["outer",1]', text [[
STATE x = "outer"
STATE seen = null
FOREACH x IN [1]:
  STATE x = x
  UPDATE seen = x
RETURN [x, seen]
]])
  end)
end)

describe("the name of a counted loop", function()
  it("may be assigned, and the loop counts on", function()
    assert.equal("[0,2,4]", text "STATE o = []\nFOREACH i IN RANGE(3):\n  UPDATE i = i * 2\n  APPEND o i\nRETURN o")
  end)

  it("gives the same arithmetic as any number", function()
    assert.equal("[-1,0,0,0.5]", text "STATE o = []\nFOREACH i IN RANGE(2):\n  STATE o = [i * 2 - 3, i % 1, -0 * i, i / 2]\nRETURN o")
    local e = run.failure "FOREACH i IN RANGE(3):\n  STATE x = i * 9223372036854775807"
    assert.same({ "arithmetic", 2, 13 }, { e.type, e.line, e.column })
  end)
end)

describe("SWITCH", function()
  it("takes one case, without fall-through", function()
    local program = 'INPUT x\nSWITCH x:\n  CASE 1, 2: RETURN "few"\n  CASE "a":\n    RETURN "letter"\n  CASE [1]: RETURN "list"\n  DEFAULT: RETURN "other"'
    assert.equal("few", text(program, { input = { x = 2 } }))
    assert.equal("letter", text(program, { input = { x = "a" } }))
    assert.equal("list", text(program, { input = { x = { 1 } } }))
    assert.equal("other", text(program, { input = { x = "2" } }))
  end)

  it("that cannot compare its values is an error of the CASE, which a TRY around takes", function()
    local cycles = "STATE a = {}\nUPDATE a.x = a\nSTATE b = {}\nUPDATE b.x = b\n"
    local program = cycles .. 'TRY:\n  SWITCH a:\n    CASE 1, b: RETURN "same"\nCATCH e:\n  RETURN "{{e.type}} {{e.line}} {{e.message}}"'
    assert.equal("type 7 values nested more than 1000 deep cannot be compared", text(program))
    local e = run.failure(cycles .. "SWITCH a:\n  CASE 1, b: STATE c = 1")
    assert.same({ "type", 6, 11 }, { e.type, e.line, e.column })
  end)
end)

describe("names", function()
  it("belong to the whole program, and read null before their first assignment", function()
    assert.equal('[null,"set"]', text [[
STATE before = inner
IF true:
  STATE inner = "set"
RETURN [before, inner]
]])
  end)

  it("STATE on a path means UPDATE", function()
    assert.equal('{"a":{"b":2}}', text "STATE o = {a: {}}\nSTATE o.a.b = 2\nRETURN o")
  end)

  it("APPEND makes a list of null", function()
    assert.equal('{"a":[1,2]}', text "STATE o = {}\nAPPEND o.a 1\nAPPEND o.a 2\nRETURN o")
  end)
end)

describe("INPUT", function()
  it("is given, or has its default, or is an error before anything starts", function()
    assert.equal("7", text("INPUT n = 7\nRETURN n"))
    assert.equal("8", text("INPUT n = 7\nRETURN n", { input = { n = 8 } }))
    assert.equal("null", text("INPUT n = 7\nRETURN n", { input = { n = core.value.null } }))
    assert.matches("needs the input `n`", run.failure("INPUT n\nRETURN n").message)
    assert.matches("declares no input `m`", run.failure("INPUT n = 1\nRETURN n", { input = { m = 1 } }).message)
  end)
end)

describe("a name that is only ever a number", function()
  it("is null before its first assignment, and the error says where", function()
    local e = run.failure "IF false:\n  STATE x = 1\nSTATE y = x + 1"
    assert.same({ "type", 3, 11 }, { e.type, e.line, e.column })
    e = run.failure "TRY:\n  STATE z = 1 / 0\n  STATE x = 1\nCATCH:\n  STATE y = 2\nSTATE y = x * 2"
    assert.same({ "type", 6, 11 }, { e.type, e.line, e.column })
  end)

  it("keeps its value when a statement fails", function()
    assert.equal("9223372036854775807", text "STATE x = 9223372036854775807\nTRY:\n  UPDATE x = x + 1\nCATCH:\n  RETURN x")
  end)
end)

describe("TRY", function()
  it("catches errors of the program, with their place", function()
    assert.equal('["arithmetic","division by zero",2]', text "TRY:\n  STATE x = 1 / 0\nCATCH e:\n  RETURN [e.type, e.message, e.line]")
  end)

  it("keeps the names as they were when the error came", function()
    assert.equal("[2,1]", text "STATE a = 1\nSTATE b = 1\nTRY:\n  UPDATE a = 2\n  UPDATE b = 1 / 0\nCATCH:\n  WAIT 1\nRETURN [a, b]")
  end)

  it("FAIL raises an error of type user, or the given one", function()
    assert.equal('["user","no"]', text 'TRY:\n  FAIL "no"\nCATCH e:\n  RETURN [e.type, e.message]')
    assert.equal('["mine","no",5]', text 'TRY:\n  FAIL {type: "mine", message: "no", code: 5}\nCATCH e:\n  RETURN [e.type, e.message, e.code]')
    local e = run.failure('STATE x = 1\nFAIL "stop"')
    assert.equal("user", e.type)
    assert.equal(2, e.line)
  end)

  it("runs FINALLY however the block is left", function()
    local function log(body)
      return text(('STATE log = []\nSTATE once = true\nWHILE once:\n  UPDATE once = false\n%s\nRETURN log'):format(body:gsub("[^\n]+", "  %0")))
    end
    assert.equal('["body","f"]', log 'TRY:\n  APPEND log "body"\nFINALLY:\n  APPEND log "f"')
    assert.equal('["f","after"]', log 'TRY:\n  TRY:\n    FAIL "x"\n  FINALLY:\n    APPEND log "f"\nCATCH:\n  APPEND log "after"')
    assert.equal('["c","f"]', log 'TRY:\n  FAIL "x"\nCATCH:\n  APPEND log "c"\nFINALLY:\n  APPEND log "f"')
    assert.equal('["f"]', log 'TRY:\n  BREAK\nFINALLY:\n  APPEND log "f"')
    assert.equal('["f"]', log 'TRY:\n  CONTINUE\nFINALLY:\n  APPEND log "f"')
    assert.equal('["inner","outer"]', log 'TRY:\n  TRY:\n    BREAK\n  FINALLY:\n    APPEND log "inner"\nFINALLY:\n  APPEND log "outer"')
  end)

  it("RETURN passes FINALLY, and keeps its value", function()
    local r = run.run 'STATE log = []\nTRY:\n  RETURN "value"\nFINALLY:\n  WAIT 2\n  APPEND log 1'
    assert.equal("value", r.result)
    assert.equal("[1]", core.value.text(r:names().log))
  end)

  it("RETURN from a branch passes it, also when the branch beside has failed", function()
    local r = run.run 'STATE log = []\nTRY:\n  PARALLEL:\n    BRANCH a:\n      WAIT 1\n      RETURN "value"\n    BRANCH b: FAIL "x"\nFINALLY:\n  APPEND log 1'
    assert.equal("completed", r.status)
    assert.equal("value", r.result)
    assert.equal("[1]", core.json.encode(r:names().log))
  end)

  it("an error that nobody catches runs no FINALLY", function()
    local r = run.run 'STATE log = []\nTRY:\n  FAIL "x"\nFINALLY:\n  APPEND log 1'
    assert.equal("failed", r.status)
    assert.equal("[]", core.value.text(r:names().log))
    assert.equal(3, r.error.line)
  end)

  it("an error in CATCH goes outward", function()
    assert.equal('["second","f"]', text [=[
STATE log = []
TRY:
  TRY:
    FAIL "first"
  CATCH:
    FAIL "second"
  FINALLY:
    APPEND log "f"
CATCH e:
  RETURN [e.message, log[0]]
]=])
  end)

  it("an error raised in FINALLY takes the place of the first", function()
    assert.equal('"second"', '"' .. text 'TRY:\n  TRY:\n    FAIL "first"\n  FINALLY:\n    FAIL "second"\nCATCH e:\n  RETURN e.message' .. '"')
  end)
end)

describe("the step limit", function()
  it("stops a program that never waits, with the line, and no TRY catches it", function()
    local e = run.failure("STATE i = 0\nTRY:\n  WHILE true:\n    UPDATE i = 1\nCATCH:\n  RETURN 1", { max_steps = 5000 })
    assert.equal("limit", e.type)
    assert.equal(3, e.line)
  end)

  it("stops loops in which every turn raises an error that is taken", function()
    local e = run.failure("STATE i = 0\nWHILE true:\n  TRY: FAIL i\n  CATCH: UPDATE i = i + 1", { max_steps = 5000 })
    assert.equal("limit", e.type)
    assert.equal(3, e.line)
    assert.equal("900", text("STATE i = 0\nWHILE i < 900:\n  TRY: FAIL i\n  CATCH: UPDATE i = i + 1\nRETURN i", { max_steps = 1000 }))
  end)

  it("counts anew after each wait", function()
    assert.equal("30", text("STATE n = 0\nFOREACH i IN RANGE(30):\n  FOREACH j IN RANGE(900):\n    STATE x = j\n  WAIT 1\n  UPDATE n = n + 1\nRETURN n", { max_steps = 1000 }))
  end)

  it("is exact where a loop takes its turns many at once", function()
    local program = "FOREACH i IN RANGE(%d):\n  STATE x = i\nRETURN x"
    assert.equal("498", text(program:format(499), { max_steps = 500 }))
    assert.equal("limit", run.failure(program:format(500), { max_steps = 500 }).type)
  end)

  it("takes nothing for turns that a BREAK leaves out", function()
    local program = "STATE n = 0\nFOREACH i IN RANGE(400):\n  FOREACH j IN RANGE(100):\n    BREAK\n  UPDATE n = n + 1\nRETURN n"
    assert.equal("400", text(program, { max_steps = 801 }))
    assert.equal("limit", run.failure(program, { max_steps = 800 }).type)
  end)

  it("counts the elements of collection functions", function()
    local e = run.failure("STATE n = SUM(MAP(RANGE(5000), x => x))", { max_steps = 6000 })
    assert.equal("limit", e.type)
    assert.equal("49995000", text("RETURN SUM(MAP(RANGE(10000), x => x))"))
  end)
end)

describe("WAIT and time", function()
  it("passes at once in virtual time, in its right order", function()
    local r = run.run "STATE t = TIMESTAMP()\nWAIT 3600.5\nRETURN TIMESTAMP() - t"
    assert.is_true(math.abs(r.result - 3600.5) < 0.001)
    assert.equal("2000-01-01T00:00:00.000Z", text "RETURN NOW()")
  end)

  it("a clock reading is later than the one before it", function()
    assert.equal("true", text "STATE a = TIMESTAMP()\nSTATE b = TIMESTAMP()\nRETURN b > a AND b - a < 0.00001")
  end)

  it("takes a number of seconds from 0", function()
    assert.equal("type", run.failure('WAIT "x"').type)
    assert.equal("type", run.failure("WAIT -1").type)
    assert.equal("1", text "WAIT 0\nRETURN 1")
  end)
end)

describe("a large program", function()
  it("of 2,000 waits is cut into functions that hand on to one another", function()
    local lines = { "STATE n = 0" }
    for _ = 1, 2000 do lines[#lines + 1] = "WAIT 1\nUPDATE n = n + 1" end
    lines[#lines + 1] = "RETURN n"
    assert.equal("2000", text(table.concat(lines, "\n")))
  end)

  it("of 170 nested blocks works", function()
    local lines = {}
    for i = 1, 170 do lines[i] = ("  "):rep(i - 1) .. "IF true:" end
    lines[171] = ("  "):rep(170) .. "RETURN 5"
    assert.equal("5", text(table.concat(lines, "\n")))
  end)

  it("of 500 names works", function()
    local lines = {}
    for i = 1, 500 do lines[#lines + 1] = ("STATE name_%d = %d"):format(i, i) end
    lines[#lines + 1] = "WAIT 1\nRETURN name_1 + name_250 + name_500"
    assert.equal("751", text(table.concat(lines, "\n")))
  end)

  it("with an array of 1,000 computed elements works", function()
    local items = {}
    for i = 1, 1000 do items[i] = "x + " .. i end
    assert.equal("1000", text("STATE x = 1\nRETURN [" .. table.concat(items, ", ") .. "].length"))
  end)
end)
