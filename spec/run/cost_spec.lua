-- Work on large values counts for the step limit: whatever a program does with what it holds, it is
-- stopped after a time that goes with its limit.

local orchlua = require "orchlua"
local run = require "spec.support.run"

local STEPS = 100000
-- Turns that a statement on one of the values below costs at least.
local LEAST = 40

local VALUES = [[
STATE s = "0123456789abcdef"
FOREACH i IN RANGE(14):
  UPDATE s = s + s
STATE t = "x" + s
STATE many = "aaaaaaaaaaaaaaaa"
FOREACH i IN RANGE(14):
  UPDATE many = many + many
STATE half = many.slice(0, 120000) + "b"
WAIT 1
STATE list = RANGE(20000)
STATE objects = MAP(list, x => {n: x, s: "abc"})
WAIT 1
STATE others = MAP(list, x => {n: x, s: "abc"})
STATE texts = MAP(list, x => "k{{x}}")
WAIT 1
STATE object = GROUP_BY(texts, x => x)
WAIT 1
STATE another = GROUP_BY(texts, x => x)
WAIT 1
STATE json = JSON.stringify(objects)
STATE unfolding = [1]
STATE unfolding2 = [1]
FOREACH i IN RANGE(40):
  UPDATE unfolding = [unfolding, unfolding]
  UPDATE unfolding2 = [unfolding2, unfolding2]
STATE x = null
WAIT 1
]]

local EXPRESSIONS = {
  "JSON.stringify(objects)", "JSON.stringify(s)", "HASH(object)", "HASH(s)", "JSON.parse(json)", '"{{objects}}"', '"{{s}}{{s}}"', '"" + objects', "s + s",
  "list + list", "objects == others", "object != another", "objects IN [others]", "9 IN texts", "CONTAINS([objects], others)", "[objects].includes(others)",
  '"zz" IN s', 'CONTAINS(s, "zz")', 's.includes("zz")', 's.indexOf("zz")', "many.includes(half)", "half IN many", "many.indexOf(half)", "SPLIT(many, half)",
  'REPLACE(many, half, "y")', "many.replace(half, 1 ? \"y\" : s)", 'REPLACE(s, "zz", "y")', 'REPLACE(s, "0", "y")', 'REPLACE(s, "", "y")', 's.replace("zz", "y")',
  "UPPER(s)", "s.toLowerCase()", "TRIM(s)", "s.trim()", "LENGTH(s)", "s.length", 'object["" + s]', "s.slice(5, 9)", "SLICE(s, 5, 9)", "s[7]", "s.split(\"zz\")",
  'SPLIT(s, "0")', 'SPLIT(s, "")', "JOIN([s, s])", "list.join()", "REVERSE(s)", "REVERSE(list)", 'FORMAT("{}", s)', 'FORMAT("{}", objects)', "FORMAT(s)", "STARTS_WITH(t, s)",
  "s.endsWith(s)", "SORT(list)", "SORT([s, t])", "UNIQUE([objects, others])", "UNIQUE(list)", "FLATTEN([objects])", "KEYS(object)", "VALUES(object)", "ENTRIES(object)",
  "MERGE(object, another)", "APPEND(list, 1)", "ZIP(list, list)", "GROUP_BY(texts, x => x)", "MEDIAN(list)", "MAX(list)", "MAX(texts)", "MIN([s, t])", "RANDOM_CHOICE(object)",
  "SHUFFLE(list)", "list.shift()", "list.unshift(1)", "list.slice(0, 20000)", "[objects].indexOf(others)", "SUM(list)",
}

local STATEMENTS = {
  "TRACK objects", "EVENT own:thing {a: objects}", "EVENT own:thing {a: [s]}", 'PERSIST k {key: "a", data: {a: objects}}', "SEND a objects", "SHARE s WITH a",
  "FOREACH y IN list:\n    BREAK", "FOREACH k, y IN object:\n    BREAK", "SWITCH objects:\n    CASE others: UPDATE x = 1", "TRY:\n    FAIL s\n  CATCH e:\n    UPDATE x = 1",
  "TRY:\n    FAIL {message: objects}\n  CATCH e:\n    UPDATE x = 1",
  'TRY:\n    UPDATE x = "{{unfolding}}"\n  CATCH e:\n    UPDATE x = 1', "TRY:\n    UPDATE x = JSON.stringify(unfolding)\n  CATCH e:\n    UPDATE x = 1",
  "TRY:\n    UPDATE x = unfolding == unfolding2\n  CATCH e:\n    UPDATE x = 1",
}

-- How often a statement is done in an endless loop, until the step limit stops it.
local function turns(statement)
  local config = assert(require("orchlua.config").check({ agents = { a = function() return "" end } }, ".", "spec"))
  local program, wrong = orchlua.compile(VALUES .. "STATE turns = 0\nWHILE true:\n  UPDATE turns = turns + 1\n  " .. statement .. "\n", { name = "cost.dsl", config = config })
  if not program then error(wrong[1].message) end
  local rt = assert(orchlua.runtime { config = config, virtual_time = true, seed = 1, max_steps = STEPS })
  local started = assert(rt:start(program))
  rt:loop()
  rt:close()
  assert.matches("more than 100000 loop turns without a wait", started.error and started.error.message or started.status)
  return started:names().turns
end

describe("the step limit counts work on large values:", function()
  local list = {}
  for _, expression in ipairs(EXPRESSIONS) do list[#list + 1] = "UPDATE x = " .. expression end
  table.move(STATEMENTS, 1, #STATEMENTS, #list + 1, list)
  for _, statement in ipairs(list) do
    it(statement:gsub("%s+", " "), function()
      local done = turns(statement)
      assert.is_true(done <= STEPS // LEAST, ("it was done %d times"):format(done))
    end)
  end
end)

describe("work on small values", function()
  it("costs nothing", function()
    local program = 'STATE o = {a: [1, 2, 3], s: "text"}\nSTATE x = null\nFOREACH i IN RANGE(1000):\n  UPDATE x = JSON.stringify(o)\n  UPDATE x = "{{o}} and {{x}}"\n  UPDATE x = o == {a: [1, 2, 3], s: "text"}\n' ..
      '  UPDATE x = 2 IN o.a\n  UPDATE x = UPPER(o.s) + o.s.slice(1, 2)\n  EVENT own:thing {a: o}\nRETURN "done"'
    assert.equal("done", run.result(program, { max_steps = 1010 }))
  end)
end)
