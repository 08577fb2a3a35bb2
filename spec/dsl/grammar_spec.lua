-- Every form of the language as a tree in short (see `support/shape.lua`), and every
-- error with its place.

local shape = require "spec.support.shape"

local errors, tree, value = shape.errors, shape.tree, shape.value

-- The errors of `STATE x = …`, whose column 1 is column 11.
local function wrong(text, hints) return errors("STATE x = " .. text, hints) end

describe("statements", function()
  local forms = {
    ["INPUT n"] = "Input(n)", ["INPUT n = [1]"] = "Input(n = [1])",
    ["STATE a = 1"] = "State(a = 1)", ["STATE a.b[c].d = 1"] = "State(a.b[c].d = 1)",
    ["UPDATE a[i + 1] = b"] = "Update(a[(i + 1)] = b)", ["SET a.b = 1"] = "Update(a.b = 1)",
    ["APPEND a b"] = "Append(a, b)", ["APPEND a.b[c + 1].d {x: 1}"] = "Append(a.b[(c + 1)].d, {x: 1})",
    ["APPEND a [1]"] = "Append(a, [1])", ["APPEND a (b)"] = "Append(a, b)", ["APPEND a -1"] = "Append(a, (- 1))",
    ["TRACK {a: 1}"] = "Track({a: 1})", ["WAIT 0.5"] = "Wait(0.5)", ["RETURN"] = "Return", ["RETURN 1"] = "Return(1)", ['FAIL "no"'] = 'Fail("no")',
    ["IF a: BREAK\nELSE IF b: CONTINUE\nELIF c:\n  WAIT 1\nELSE: WAIT 2"] = "If(a){Break}(b){Continue}(c){Wait(1)} else {Wait(2)}",
    ["WHILE a:\n  BREAK"] = "While(a){Break}",
    ["FOREACH x IN l: BREAK"] = "Foreach(x IN l){Break}", ["FOREACH k, v IN o: BREAK"] = "Foreach(k, v IN o){Break}",
    ["SWITCH x:\n  CASE 1, 2: BREAK\n  CASE \"a\":\n    WAIT 1\n  DEFAULT: WAIT 2"] = 'Switch(x) 1, 2{Break} "a"{Wait(1)} default {Wait(2)}',
    ["SWITCH x:\nCASE 1: BREAK\nDEFAULT:\n  WAIT 1\nWAIT 2"] = "Switch(x) 1{Break} default {Wait(1)} Wait(2)",
    ["EVENT a:b"] = "Event(a:b)", ["EVENT a:b AS r"] = "Event(a:b AS r)", ["EVENT a:b {\n  c: 1\n} AS r"] = "Event(a:b {c: 1} AS r)",
    ["EVENT a-b:c.d:2e_f-2:IF data"] = "Event(a-b:c.d:2e_f-2:IF data)",
    ["AWAIT x"] = "Await(x)", ["AWAIT x FROM a TIMEOUT 5"] = "Await(x)(one a)(timeout 5)",
    ["AWAIT x FROM ANY(l): WAIT 1"] = "Await(x)(any l){Wait(1)}",
    ["AWAIT x FROM ALL([a, b]) TIMEOUT 5:\n  WAIT 1\nTIMEOUT:\n  WAIT 2"] = "Await(x)(all [a, b])(timeout 5){Wait(1)} timeout {Wait(2)}",
    ["AWAIT x FROM a.b ? c : d TIMEOUT e ? f : g: WAIT 1"] = "Await(x)(one (a.b ? c : d))(timeout (e ? f : g)){Wait(1)}",
    ["AWAIT {from: a, timeout: 5} AS x"] = "Await({from: a, timeout: 5} AS x)", ["AWAIT {from: a} AS x: WAIT 1"] = "Await({from: a} AS x){Wait(1)}",
    ["SEND a m"] = "Send(a, m)", ['SEND "a b" {x: 1}'] = 'Send("a b", {x: 1})', ["SEND a.b[ 0 ] [1]"] = "Send(a.b[0], [1])", ["SEND a (b)"] = "Send(a, b)",
    ["SEND {{ a + b }} m"] = "Send((a + b), m)", ["SEND (a + b) m"] = "Send((a + b), m)", ["SEND {to: a, message: m}"] = "Send({to: a, message: m})",
    ["SHARE x WITH a"] = "Share(x WITH a)", ["SHARE x WITH [a, b]"] = "Share(x WITH [a, b])",
    ["PERSIST note {key: 1}"] = 'Persist("note" {key: 1})', ["PERSIST note data"] = 'Persist("note" data)', ["PERSIST a.kind {key: 1}"] = "Persist(a.kind {key: 1})",
    ['PERSIST "a b" {key: 1}'] = 'Persist("a b" {key: 1})', ["PERSIST {{kind}} {key: 1}"] = "Persist(kind {key: 1})", ["PERSIST note{key: 1}"] = 'Persist("note" {key: 1})',
    ["PARALLEL:\n  WAIT 1"] = "Parallel{Wait(1)}", ["PARALLEL(limit: n + 1):\n  WAIT 1"] = "Parallel((n + 1)){Wait(1)}", ["PARALLEL (limit: 2,): WAIT 1"] = "Parallel(2){Wait(1)}",
    ["PARALLEL:\n  BRANCH: WAIT 1\n  BRANCH it's two: WAIT 2"] = 'Parallel{Branch{Wait(1)} Branch("it\'s two"){Wait(2)}}',
    ["PARALLEL: BRANCH {{ a ? b : c }} # x \\{{:\n  WAIT 1"] = 'Parallel{Branch("{{(a ? b : c)}} # x {{"){Wait(1)}}',
    ["TRY:\n  WAIT 1\nCATCH e:\n  WAIT 2\nFINALLY:\n  WAIT 3"] = "Try{Wait(1)} catch e {Wait(2)} finally {Wait(3)}",
    ["TRY: WAIT 1\nCATCH: WAIT 2"] = "Try{Wait(1)} catch {Wait(2)}", ["TRY: WAIT 1\nFINALLY: WAIT 2"] = "Try{Wait(1)} finally {Wait(2)}",
    ["IF a ? b : c: WAIT 1"] = "If((a ? b : c)){Wait(1)}", ["IF a ? b : c:\n  WAIT 1"] = "If((a ? b : c)){Wait(1)}",
  }
  for text, expected in pairs(forms) do
    it(("include %s"):format((text:gsub("\n", "⏎"))), function() assert.equal(expected, tree(text)) end)
  end

  it("span their header", function()
    local program = shape.parse "IF a  :\n  EVENT a:b {x: 1}  # c\nELSE IF bb:\n  WAIT 2\n"
    local node = program.body[1]
    assert.same({ 1, 5 }, { node.pos, node.stop })
    local event = node.clauses[1].body[1]
    assert.same({ 11, 27, 17 }, { event.pos, event.stop, event.name_pos })
    assert.same({ 33, 43 }, { node.clauses[2].pos, node.clauses[2].stop })
  end)
end)

describe("operators", function()
  it("bind as the reference says", function()
    for text, expected in pairs {
      ["a + b * c"] = "(a + (b * c))", ["a - b - c"] = "((a - b) - c)", ["a / b % c"] = "((a / b) % c)", ["-a.b * c"] = "((- a.b) * c)", ["- -a"] = "(- (- a))",
      ["a + b < c"] = "((a + b) < c)", ["a < b == c > d"] = "((a < b) == (c > d))", ["a IN b AND c"] = "((a IN b) AND c)",
      ["NOT a == b"] = "(NOT (a == b))", ["!a == b"] = "((NOT a) == b)", ["NOT NOT a AND b"] = "((NOT (NOT a)) AND b)", ["NOT a IN b"] = "(NOT (a IN b))",
      ["a OR b AND c"] = "(a OR (b AND c))", ["a && b || !c"] = "((a AND b) OR (NOT c))", ["a || NOT b"] = "(a OR (NOT b))",
      ["a OR b ? c : d"] = "((a OR b) ? c : d)", ["a ? b : c ? d : e"] = "(a ? b : (c ? d : e))", ["a ? b ? c : d : e"] = "(a ? (b ? c : d) : e)",
      ["(a + b) * c"] = "((a + b) * c)", ["a != b"] = "(a != b)", ["a <= b OR a >= b"] = "((a <= b) OR (a >= b))",
    } do assert.equal(expected, value(text), text) end
  end)

  it("know their own place", function()
    local sum = shape.parse("STATE x = aa + b").body[1].value
    assert.same({ 11, 17, 14 }, { sum.pos, sum.stop, sum.op_pos })
  end)
end)

describe("values", function()
  it("are read by what they begin with", function()
    for text, expected in pairs {
      ["null"] = "null", ["true"] = "true", ["[false, null,]"] = "[false, null]", ["[]"] = "[]", ["{}"] = "{}", ["{a}"] = "{a: a}", ["{a, b: 1,}"] = "{a: a, b: 1}",
      ['{IF: 1, true: 2, null: 3, 4: 5, "b c": 6, \'d\': 7, """e""": 8}'] = "{IF: 1, true: 2, null: 3, 4: 5, b c: 6, d: 7, e: 8}",
      ['{"k{{a}}": 1}'] = '{"k{{a}}": 1}', ["{{ a + 1 }}"] = "(a + 1)", ["{{a}}"] = "a", ["{{ {a: {b: 1}} }}"] = "{a: {b: 1}}", ["{{{a: 1}}}"] = "{a: 1}",
      ["a.b.c[0][\"d\"]"] = 'a.b.c[0]["d"]', ["a?.b.c?.d()"] = "a?.b.c?.d()", ["a.IF.true"] = "a.IF.true", ["a.shift().b"] = "a.shift().b",
      ["COUNT(a)"] = "COUNT(a)", ["F ()"] = "F()", ["F(a, b,)"] = "F(a, b)", ["ANY(a, b) AND ALL(c)"] = "(ANY(a, b) AND ALL(c))", ["APPEND(a, 1)"] = "APPEND(a, 1)",
      ["JSON.stringify(a, 2)"] = "JSON.stringify(a, 2)", ["JSON.parse(a).b"] = "JSON.parse(a).b", ["a.parse(b)"] = "a.parse(b)",
      ["SORT(a, t.p DESC)"] = "SORT(a, t.p desc)", ["SORT(a ASC)"] = "SORT(a asc)", ["COUNT(a WHERE b == 1)"] = "COUNT(a where (b == 1))",
      ["F(l, x => x + 1)"] = "F(l, (x) => (x + 1))", ["F(l, (x) => x)"] = "F(l, (x) => x)", ["F(l, (k, v) => v ? 1 : 2, 3)"] = "F(l, (k, v) => (v ? 1 : 2), 3)",
      ["F(l, (a))"] = "F(l, a)", ["F(x => G(y => x + y))"] = "F((x) => G((y) => (x + y)))",
    } do assert.equal(expected, value(text), text) end
  end)

  it("have a tag and a place of their own", function()
    local function node(text) return shape.parse("STATE x = " .. text).body[1].value end
    assert.same({ tag = "Null", pos = 11, stop = 15 }, node "null")
    assert.same({ tag = "Boolean", pos = 11, stop = 16, value = false }, node "false")
    assert.same({ tag = "Object", pos = 11, stop = 17, entries = { { key = "a", pos = 12, key_stop = 13, value = { tag = "Number", value = 1, pos = 15, stop = 16 } } } }, node "{a: 1}")
    assert.same({ tag = "Field", pos = 11, stop = 15, name = "b", name_pos = 14, optional = true, object = { tag = "Name", name = "a", pos = 11, stop = 12 } }, node "a?.b")
    assert.same({ tag = "Call", pos = 11, stop = 23, name = "JSON.parse", args = {} }, node "JSON.parse()")
    assert.same({ tag = "Template", pos = 11, stop = 18, parts = { { tag = "Name", name = "a", pos = 14, stop = 15 } } }, node '"{{a}}"')
  end)

  it("of numbers are integers and doubles", function()
    local function number(text) return shape.parse("STATE x = " .. text).body[1].value.value end
    for text, expected in pairs { ["0"] = 0, ["007"] = 7, ["9223372036854775807"] = math.maxinteger, ["-9223372036854775808"] = math.mininteger } do
      assert.equal(expected, number(text))
      assert.equal("integer", math.type(number(text)))
    end
    for text, expected in pairs { ["1.5"] = 1.5, ["1e3"] = 1000.0, ["2.5E-1"] = 0.25, ["9223372036854775808.0"] = 2.0 ^ 63 } do
      assert.equal(expected, number(text))
      assert.equal("float", math.type(number(text)))
    end
    assert.equal("(a ? 0.5 : 1)", value "a ?0.5:1")
  end)
end)

describe("strings", function()
  local function text(literal)
    local node = shape.parse("STATE x = " .. literal).body[1].value
    assert.equal("String", node.tag)
    return node.value
  end

  it("have escapes", function()
    assert.equal("\n\t\r\\\"' {{a}} é 😀", text [["\n\t\r\\\"\' \{{a}} \u00e9 \ud83d\ude00"]])
    assert.equal('it\'s "x" # not a comment', text [['it\'s "x" # not a comment']])
    assert.equal("a } b }} {c} {", text [["a } b }} {c} {"]])
  end)

  it("hold expressions, in which quotes and brackets are their own", function()
    assert.equal('"a {{b}} c {{(d + 1)}}"', value '"a {{b}} c {{ d + 1 }}"')
    assert.equal('"{{f["k"]}}{{G("}}")}}"', value [["{{ f["k"] }}{{ G('}}') }}"]])
    assert.equal('"{{F("a{{G("b{{c}}")}}")}}"', value [["{{ F("a{{ G("b{{c}}") }}") }}"]])
    assert.equal('"{{{a: {b: 1}}}}"', value '"{{ {a: {b: 1}}}}"')
    assert.equal('"{{JOIN(l, ",")}}"', value '"{{ JOIN(l, # a comment\n  ",") }}"')
    assert.equal('"{{(a ? "b" : "c")}}"', value [["{{ a ? "b" : 'c' }}"]])
  end)

  it("over several lines drop the line end behind the quotes and the indentation they share", function()
    assert.equal("a\n  b\n\nc\n", text '"""\n    a\n      b\n\n    c\n    """')
    assert.equal("  a\n    b\n", text '"""\n    a\n      b\n  """')
    assert.equal("a\nb", text '"""\n  a\n  b"""')
    assert.equal("a\n    b", text '"""a\n    b"""')
    assert.equal('"{{a}}\\n  b"', value '"""{{a}}\n  b"""')
    assert.equal("\t\n  b", text '"""\\t\n  b"""')
    assert.equal("a\nb\n", text '"""\n\ta\n\tb\n\t"""')
    assert.equal("", text '""""""')
    assert.equal('"" { ( # {{ """', text '"""\n"" { ( # \\{{ \\"\\"\\""""')
  end)

  it("leave escapes and what is inserted as they are", function()
    assert.equal("a\n   b\n", text '"""\n  a\\n   b\n  """')
    assert.equal('"{{a}}\\nb {{"\\n    c"}} d"', value '"""\n    {{a}}\n    b {{ "\\n    c" }} d"""')
    assert.equal('"  a {{b}}\\n{{c}}"', value '"""\n  a {{b}}\n{{c}}"""')
  end)

  it("say what is wrong with them, once, where it begins", function()
    for literal, expected in pairs {
      ['"abc'] = '1:11 this string is never closed [a string over several lines is written """…"""]', ["'abc"] = '1:11 this string is never closed [a string over several lines is written """…"""]',
      ['"""abc\nSTATE y = )'] = "1:11 this string is never closed []", ['"a\\\n'] = '1:11 this string is never closed [a string over several lines is written """…"""]',
      ['"""a\\\nb"""'] = "1:15 unknown escape `\\` [the escapes are \\n \\t \\r \\\\ \\\" \\' \\uXXXX and \\{{]",
      ['"a\\q"'] = "1:13 unknown escape `\\q` [the escapes are \\n \\t \\r \\\\ \\\" \\' \\uXXXX and \\{{]", ['"\\é"'] = "1:12 unknown escape `\\é` [the escapes are \\n \\t \\r \\\\ \\\" \\' \\uXXXX and \\{{]",
      ['"\\u12g4"'] = "1:12 `\\u` takes four hexadecimal digits [for example \\u00e9]",
      ['"a\\ud83d"'] = "1:13 half of a surrogate pair is no character [a character beyond \\uffff is a pair: \\ud83d\\ude00]", ['"\\ude00"'] = "1:12 half of a surrogate pair is no character [a character beyond \\uffff is a pair: \\ud83d\\ude00]",
      ['"a {{ b"'] = "1:14 `{{` is never closed [write `\\{{` for two braces that are text]", ['"a {{ b }"'] = "1:14 `{{` is never closed [write `\\{{` for two braces that are text]",
      ['"{{ "{{ a }"'] = "1:12 `{{` is never closed [write `\\{{` for two braces that are text]",
      ['"a {{ }}"'] = "1:14 `{{ }}` holds no expression [write `\\{{` for two braces that are text]", ['"{{ a b }}"'] = "1:17 expected `}}`, and found `b` []",
      ['"{{ a + }}"'] = "1:19 expected an expression after `+`, and found `}}` []", ['"{{ (a }}"'] = "1:12 `{{` is never closed [write `\\{{` for two braces that are text]",
    } do assert.same({ expected }, wrong(literal, true), literal) end
  end)

  it("that are wrong leave the next lines alone", function()
    assert.same({ "2:11 this string is never closed", "4:6 `)` closes nothing" }, errors 'EVENT a:b {\n  prompt: "x,\n}\nWAIT )')
    assert.same({ "1:14 `{{` is never closed", "2:6 `)` closes nothing" }, errors 'STATE x = """{{ a """\nWAIT )')
    assert.same({ "1:12 `{{` is never closed", "2:12 `{{` is never closed" }, errors 'STATE x = "{{ a"\nSTATE y = "{{ b"')
  end)
end)

describe("an error in an expression", function()
  local cases = {
    [""] = "1:11 expected an expression after `=`, and found the end of the line []", ["# c"] = "1:11 expected an expression after `=`, and found the end of the line []",
    ["a +"] = "1:14 expected an expression after `+`, and found the end of the line []", ["a + # c"] = "1:15 expected an expression after `+`, and found the end of the line []",
    [")"] = "1:11 `)` closes nothing []", ["(1"] = "1:11 `(` is never closed [a `)` is missing]", ["{a: [1}"] = "1:17 expected `]` before `}` [it closes the `[` of line 1]",
    ["()"] = "1:12 expected an expression after `(`, and found `)` []", ["IF"] = "1:11 expected an expression after `=`, and found `IF` []",
    ["1 2"] = "1:13 expected the end of the line, and found `2` []", ["\"a\" \"b\""] = "1:15 expected the end of the line, and found a string []",
    ["a = b"] = "1:13 expected the end of the line, and found `=` [`==` compares]", ["a === b"] = "1:15 expected an expression after `==`, and found `=` [`==` compares values of any kind; there is no `===`]",
    ["a and b"] = "1:13 expected the end of the line, and found `and` [keywords are upper case: AND]", ["not a"] = "1:15 expected the end of the line, and found `a` [keywords are upper case: NOT]",
    ["a NOT IN b"] = "1:13 expected the end of the line, and found `NOT` [write `NOT a IN b`]", ["a == NOT b"] = "1:16 expected an expression after `==`, and found `NOT` [put it in parentheses: (NOT x)]",
    ["a < b < c"] = "1:17 comparisons cannot be chained [write `a < b AND b < c`]", ["a ** 2"] = "1:14 expected an expression after `*`, and found `*` [a power is written POW(x, 2)]",
    ["a ? b"] = "1:16 expected `:` between the two values of `? :`, and found the end of the line [condition ? value : other value]",
    ["[1 2]"] = "1:14 expected `]` after the elements, and found `2` [elements are separated by commas]", ["[1,,2]"] = "1:14 expected an expression after `,`, and found `,` []",
    ["{a: 1 b: 2}"] = "1:17 expected `}` after the fields, and found `b` [fields are separated by commas]", ["{a = 1}"] = "1:14 expected `:` after the key, and found `=` [a field is written key: value]",
    ["F(a b)"] = "1:15 expected `)` after the arguments, and found `b` [arguments are separated by commas]", ["a.5"] = "1:13 expected a field's name after `.`, and found `5` []",
    ["f(1)(2)"] = "1:15 only functions and methods are called [functions have upper-case names: COUNT(list)]",
    ["x => 1"] = "1:13 `=>` is written only as an argument of a collection function [for example FILTER(list, x => x > 1)]",
    ["(a, b) => 1"] = "1:11 `=>` is written only as an argument of a collection function [for example FILTER(list, x => x > 1)]",
    ["F(l, () => 1)"] = "1:17 expected a parameter's name, and found `)` []", ["F(l, (IF) => 1)"] = "1:17 `IF` is a reserved word and cannot be a name [names are usually written in lower case]",
    ["9223372036854775808"] = "1:11 this whole number does not fit 64 bits [write it with a fraction or an exponent: 1e20]", ["1e999"] = "1:11 this number is too large []",
    ["12abc"] = "1:11 `12abc` is no number [numbers are written 42, 0.5 or 1e9]", ["1.e5"] = "1:11 `1.` is no number [numbers are written 42, 0.5 or 1e9]",
    [".5"] = "1:11 expected an expression after `=`, and found `.` [a number begins with a digit: 0.5]", ["a ?.5 : 1"] = "1:14 expected an expression after `?`, and found `.` [a number begins with a digit: 0.5]",
    ["a; b"] = "1:12 unexpected character `;` [a statement ends with its line]", ["“a”"] = '1:11 unexpected character `“` [strings are written in straight quotes: "…"]',
    ["größe"] = "1:13 unexpected character `ö` [names are made of the letters a to z, digits and `_`]", ["a\u{A0}+ b"] = "1:12 unexpected character `U+00A0` [it looks like a space and is none]",
    ["a\0"] = "1:12 unexpected character `\\x00` []", ["{{ a"] = "1:12 `{` is never closed [a `}` is missing]", ["{{ a } }"] = "1:16 expected `}}`, without a space in it, to close `{{` []",
    ["{{a: 1}}"] = "1:14 expected `}` to close `{{`, and found `:` [an object inside `{{ }}` has its own braces: {{ {a: 1} }}]",
  }
  for text, expected in pairs(cases) do
    it("has its place, what was expected, and a hint: " .. text:gsub("%c", "·"), function() assert.same({ expected }, wrong(text, true)) end)
  end
end)

describe("an error in a statement", function()
  local cases = {
    ["if x:\n  WAIT 1"] = "1:1 `if` is no statement [keywords are upper case: IF]", ["FOREAHC x IN y:\n  WAIT 1"] = "1:1 `FOREAHC` is no statement [did you mean `FOREACH`?]",
    ["for x in y:\n  WAIT 1"] = "1:1 `for` is no statement [here this is written FOREACH]",
    ["x = 1"] = "1:1 an assignment begins with a keyword [STATE x = … declares it, UPDATE x = … changes it]", ["x.y[0] += 1"] = "1:1 an assignment begins with a keyword [UPDATE x.y[0] = …]",
    ["COUNT(x)"] = "1:1 `COUNT` is no statement [what it gives is assigned: STATE x = COUNT(…)]", ["l.push(1)"] = "1:1 `l` is no statement [APPEND l value]",
    ["5"] = "1:1 expected a statement, and found `5` []", ["+ a"] = "1:1 expected a statement, and found `+` [a statement goes on over a line's end only inside brackets]",
    ["STATE = 1"] = "1:7 expected a name after STATE, and found `=` []", ["STATE x"] = "1:8 expected `=` after the name, and found the end of the line []",
    ["STATE x == 1"] = "1:9 expected `=` after the name, and found `==` [`=` assigns]", ["STATE IF = 1"] = "1:7 `IF` is a reserved word and cannot be a name [names are usually written in lower case]",
    ["STATE 5 = 1"] = "1:7 expected a name or a path to assign to []", ["STATE f() = 1"] = "1:7 expected a name or a path to assign to []", ["STATE a?.b = 1"] = "1:7 `?.` cannot be assigned to [write `.`]",
    ["APPEND a"] = "1:9 expected a value to append [APPEND list value]", ["APPEND a, b"] = "1:9 expected a value to append, and found `,` [APPEND list value, with a space between them]",
    ["IF x = 1: WAIT 1"] = "1:6 expected `:` after the condition of IF, and found `=` [`==` compares]", ["IF x"] = "1:5 expected `:` after the condition of IF, and found the end of the line [a block begins with `:`]",
    ["IF x then WAIT 1"] = "1:6 expected `:` after the condition of IF, and found `then` [a block begins with `:`]", ["WHILE: WAIT 1"] = "1:6 expected an expression after `WHILE`, and found `:` []",
    ["IF a: WAIT 1\nELSE if b: WAIT 2"] = "2:6 expected `:` after ELSE, and found `if` [keywords are upper case: ELSE IF]", ["IF a: WAIT 1\nELSE: WAIT 2\nELSE: WAIT 3"] = "3:1 this IF has an ELSE already []",
    ["IF a: WAIT 1\nelif b: WAIT 2\nELSE: WAIT 3"] = "2:1 `elif` is no statement [keywords are upper case: ELIF]",
    ["FOREACH x in y: WAIT 1"] = "1:11 expected `IN` after the name, and found `in` [keywords are upper case: IN]", ["FOREACH (k, v) IN y: WAIT 1"] = "1:9 expected the element's name, and found `(` [FOREACH key, value IN object:]",
    ["SWITCH x:\nWAIT 1"] = '1:8 expected CASE under SWITCH [CASE "value": …]', ["SWITCH x: CASE 1: WAIT 1"] = "1:11 the CASE lines stand under SWITCH [start a new line, indented deeper]",
    ["SWITCH x:\n  CASE 1: WAIT 1\n  WAIT 2\n  CASE 2: WAIT 2"] = "3:3 expected CASE or DEFAULT in a SWITCH, and found `WAIT` []", ["SWITCH x:\n  DEFAULT: WAIT 1\n  CASE 1: WAIT 2"] = "3:3 CASE stands before DEFAULT []",
    ["TRY:\n  WAIT 1"] = "1:1 a TRY has a CATCH, a FINALLY or both [put CATCH e: under its block]", ["TRY: WAIT 1\nFINALLY: WAIT 1\nCATCH e: WAIT 1"] = "3:1 CATCH stands before FINALLY []",
    ["EVENT"] = "1:6 expected an event's name after EVENT [EVENT completion:async {…}]", ["EVENT a: b"] = "1:7 `a:` is no event's name [an event's name has two parts or more, without spaces: agent:status]",
    ["EVENT a:b {x: 1} as r"] = "1:18 expected the end of the line, and found `as` [keywords are upper case: AS]", ["EVENT a:b AS 5"] = "1:14 expected a name for the result, and found `5` []",
    ["AWAIT"] = "1:6 expected a name for the message, and found the end of the line []", ["AWAIT x FROM ANY: WAIT 1"] = "1:17 expected `(` after ANY, and found `:` [FROM ANY(list)]",
    ["AWAIT {from: a}"] = "1:16 expected `AS` after the options of AWAIT, and found the end of the line [AWAIT {from: …, timeout: …} AS reply]",
    ["SEND a"] = "1:7 expected a message after the agent [SEND agent message]", ["SHARE x"] = "1:8 expected `WITH` after the name, and found the end of the line [SHARE findings WITH reviewer]",
    ["PERSIST {key: 1}"] = "1:9 expected the entity's kind, and found `{` [PERSIST kind {key: …, data: …}]", ["PARALLEL(3): WAIT 1"] = "1:10 expected `limit`, and found `3` [PARALLEL(limit: 3):]",
    ["PARALLEL:\n  BRANCH a\n    WAIT 1"] = "2:11 expected `:` after the label of BRANCH, and found the end of the line [a block begins with `:`]",
    ["WAIT 1 2"] = "1:8 expected the end of the line, and found `2` []", ["TRACK a: 1"] = "1:8 expected the end of the line, and found `:` [this statement has no block]",
    ["INPUT x: 5"] = "1:8 expected `=` or the end of the line, and found `:` [INPUT x = default]",
  }
  for text, expected in pairs(cases) do
    it("has its place, what was expected, and a hint: " .. text:gsub("\n", "⏎"), function() assert.same({ expected }, errors(text, true)) end)
  end
end)

describe("all errors", function()
  it("are reported in one go, in the order of the text", function()
    assert.same({
      "1:11 `)` closes nothing", "2:1 `WHIEL` is no statement", "3:9 expected a name after STATE, and found `=`", "4:3 `if` is no statement",
      "5:11 expected an expression after `WAIT`, and found the end of the line", "7:8 expected an expression after `WAIT`, and found `:`",
    }, errors "STATE x = )\nWHIEL true:\n  STATE = 1\n  if x:\n     WAIT \nIF a:\n  WAIT : 1")
  end)

  it("are one for one mistake: a wrong header keeps its block and its clauses", function()
    for text, expected in pairs {
      ["IF ):\n  STATE a = 1\nELSE IF a:\n  WAIT )\nELSE:\n  WAIT 2"] = { "1:4 `)` closes nothing", "4:8 `)` closes nothing" },
      ["IF a:\n  WAIT 1\nELSE IF b\n  WAIT 2\nELSE:\n  WAIT 3"] = { "3:10 expected `:` after the condition of ELSE IF, and found the end of the line" },
      ["SWITCH x y:\n  CASE 1: WAIT 1\n  CASE ): WAIT 2\n  DEFAULT: WAIT 3"] = { "1:10 expected `:` after the value of SWITCH, and found `y`", "3:8 `)` closes nothing" },
      ["TRY\n  WAIT 1\nCATCH e:\n  WAIT 2\nFINALLY: WAIT 1"] = { "1:4 expected `:` after TRY, and found the end of the line" },
      ["TRY:\n  WAIT 1\nCATCH 1:\n  WAIT 2"] = { "3:7 expected the error's name, and found `1`" },
      ["AWAIT FROM a:\n  WAIT 1\nTIMEOUT:\n  WAIT 2"] = { "1:7 `FROM` is a reserved word and cannot be a name" },
    } do assert.same(expected, errors(text), text) end
  end)

  it("are one for a block in braces", function()
    assert.same({ "1:6 `{` is never closed" }, errors "IF a {\n  WAIT 1\n}\nWAIT 2")
    assert.same({ "1:9 `{` is never closed" }, errors "WHILE a {\n  WAIT 1\n  WAIT 2\n}")
    assert.same({ "1:11 `[` is never closed", "4:6 `]` closes nothing" }, errors "STATE x = [1,\nSTATE y = 2\n]\nWAIT ]")
  end)

  it("leave a tree in which the names, blocks and loops of wrong lines are known", function()
    local function broken(text) return shape.block((shape.broken(text)).body) end
    assert.equal("State(x = null) State(y = x)", broken "STATE x = )\nSTATE y = x")
    assert.equal("State(r = null)", broken "EVENT a:b {c: } AS r")
    assert.equal("State(v = null) State(k = null) While(true){Break}", broken "FOREACH v, k IN ):\n  BREAK")
    assert.equal("While(true){Break}", broken "WHIEL true:\n  BREAK")
    assert.equal("Parallel{Branch(\"a\"){Wait(1)}}", broken "PARALLEL 3:\n  BRANCH a: WAIT 1")
    assert.equal("If(true){Wait(1)} If(true){Wait(2)}", broken "IF a\n  WAIT 1\nELSE:\n  WAIT 2")
  end)

  it("are a hundred at most", function()
    assert.equal(100, #errors(("STATE x = )\n"):rep(300)))
    assert.equal(100, #errors(("STATE x =\n"):rep(300)))
  end)

  it("include bytes that are no UTF-8", function()
    assert.same({ "2:12 this byte is not UTF-8 [save the file as UTF-8]" }, errors("WAIT 1\nSTATE x = \"\255\"", true))
  end)
end)

describe("nesting", function()
  local function nested(open, inner, close) return function(n) return "STATE x = " .. open:rep(n) .. inner .. close:rep(n) end end
  local kinds = {
    parentheses = nested("(", "a", ")"), arrays = nested("[", "a", "]"), objects = nested("{a: ", "a", "}"), indexes = nested("a[", "a", "]"), calls = nested("F(", "a", ")"),
    methods = nested("a.b(", "a", ")"), lambdas = nested("F((k, v) => ", "a", ")"), minus = nested("- ", "a", ""), NOT = nested("NOT ", "a", ""), ["!"] = nested("!", "a", ""),
    ["conditions, to the left"] = nested("a ? ", "b", " : c"), ["conditions, to the right"] = nested("a ? b : ", "c", ""), braces = nested("{{", "a", "}}"),
    templates = function(n)
      local text = "a"
      for _ = 1, n do text = '"{{ ' .. text .. ' }}"' end
      return "STATE x = " .. text
    end,
    blocks = function(n)
      local lines = {}
      for i = 1, n do lines[i] = (" "):rep(i - 1) .. "IF a:" end
      return table.concat(lines, "\n") .. "\n" .. (" "):rep(n) .. "WAIT 1"
    end,
    ["blocks on one line"] = function(n) return ("IF a: "):rep(n) .. "WAIT 1" end,
  }
  for kind, text in pairs(kinds) do
    it("may be 180 deep and no deeper: " .. kind, function()
      assert.same({}, errors(text(180)))
      for _, depth in ipairs { 181, 250, 5000 } do
        local found = errors(text(depth > 250 and kind == "blocks" and 1000 or depth))
        assert.equal(1, #found)
        assert.matches("nested more than 180 deep", found[1])
      end
    end)
  end

  it("of blocks needs no C stack", function()
    local function inside(depth, f)
      if depth == 0 then return f() end
      local ok, result = pcall(inside, depth - 1, f)
      return ok and result or error(result, 0)
    end
    assert.same({}, inside(120, function() return errors(kinds.blocks(180)) end))
  end)

  it("is not what a long chain is", function()
    for _, link in ipairs { " + a", " AND a", " == a", ".a", "?.a", "[0]", ".b(1)" } do
      assert.same({}, errors("STATE x = a" .. link:rep(5000)), link)
    end
    assert.same({}, errors("STATE x = a < b" .. (" AND a < b OR NOT c"):rep(5000)))
    assert.same({}, errors("IF a:\n  WAIT 1\n" .. ("ELSE IF b:\n  WAIT 1\n"):rep(5000)))
    assert.same({}, errors('STATE x = "' .. ("{{a}} b "):rep(5000) .. '"'))
  end)
end)

describe("time", function()
  -- Without the garbage collector, whose turns would fall on one text or the other.
  local function seconds(text)
    collectgarbage "stop"
    local started = os.clock()
    shape.broken(text)
    local spent = os.clock() - started
    collectgarbage "restart"
    return spent
  end

  it("grows with the text, also where it is wrong", function()
    local texts = {
      "STATE x = a + 1\n", "STATE x = )\n", "STATE x =\n", "## h\n", "IF a:\n", "IF a:\n## h\n  WAIT 1\n", "    WAIT 1\n  WAIT 1\n", "STATE x = {a: [1\n", "x {a: [1\n", "(", "[)", "(((]",
      'STATE x = "a {{ b\n', '"{{ ', '"""{{ ', '"{{ "', '"{{(', '{{', '{{ "', "\\", "F((x, ", "a ? ", "IF a: ", "TRY:\n", "ELSE:\n", "SWITCH x:\n", "CASE 1:\n", "BRANCH {{ ", "STATE x = [\n1,\n", "\t\n", "\tx\n", "é", "IF a:\n\n", "#\n", "EVENT a:",
    }
    for _, text in ipairs(texts) do
      local few, many = seconds(text:rep(500)), seconds(text:rep(4000))
      assert.is_true(many < 0.03 or many < 24 * few, ("%q: %.3f s and %.3f s"):format(text, few, many))
    end
  end)

  it("is short for twenty thousand lines", function()
    assert.is_true(seconds(("STATE x = a + 1\n"):rep(20000)) < 2)
  end)

  it("does not grow with the square of a run of spaces", function()
    local spaces = (" "):rep(20000)
    for _, text in ipairs { "## a" .. spaces .. "b", "BRANCH a" .. spaces .. "b: WAIT 1", "x" .. spaces .. "y = 1", "x" .. ("+"):rep(20000) .. "y = 1" } do
      assert.is_true(seconds(text) < 0.5, text:sub(1, 10))
    end
  end)
end)

describe("the seed's programs", function()
  local literate = require "orchlua.dsl.literate"
  local file = io.open "../shared/seed/orchestration_patterns.md"
  if not file then return pending "the seed is not here" end
  local programs = literate.programs(file:read "a").programs
  file:close()

  it("are five, and parse as they are written", function()
    assert.equal(5, #programs)
    for _, program in ipairs(programs) do assert.same({}, errors(program.text), program.title) end
  end)

  it("have titles, and the trees they look like", function()
    assert.equal("Pipeline: Data Analysis Workflow", shape.parse(programs[1].text).title)
    local scatter = tree(programs[2].text)
    assert.truthy(scatter:find('While(((gathered_count < documents.length) AND (ELAPSED() < gather_timeout))){Await(response)(timeout 30){Append(analysis_results, response)', 1, true))
    local worker = tree(programs[3].text)
    assert.truthy(worker:find('Append(task_queue, {id: "task_{{i}}", type: (((i % 2) == 0) ? "analysis" : "synthesis"), priority: RANDOM(1, 5)})', 1, true))
    assert.truthy(worker:find("Update(task_queue = SORT(task_queue, task.priority desc))", 1, true))
    assert.truthy(worker:find('Await(completion)(any worker_pool)(timeout 10){', 1, true))
    assert.truthy(tree(programs[4].text):find("State(others_positions = FILTER(round_votes, (p, v) => (p != participant)))", 1, true))
    assert.truthy(tree(programs[5].text):find("Parallel(strategy_config.parallelism){Foreach(task IN tasks){", 1, true))
    assert.truthy(tree(programs[5].text):find("((iteration == 2)){Event(optimization:async", 1, true))
  end)

  it("never crash the parser, whatever becomes of their bytes", function()
    local pieces = { "{{", "}}", '"', '"""', "\\", "(", "]", "{", "}", ":", "\n", "\n  ", "=>", "IF ", "AS ", "\255", "\0", "#", "##", "TIMEOUT:", "ELSE:\n", "CASE ", "\t", "?", "-", "é" }
    local started, count = os.clock(), 0
    while os.clock() - started < 0.6 do
      count = count + 1
      local text = programs[count % #programs + 1].text
      for _ = 1, math.random(4) do
        local at = math.random(#text)
        local piece = math.random(2) == 1 and pieces[math.random(#pieces)] or string.char(math.random(0, 255))
        text = text:sub(1, at) .. piece .. text:sub(at + math.random(0, 40)) .. " "
      end
      local before = os.clock()
      local ok, _, diagnostics, parsed = pcall(shape.broken, text)
      assert.is_true(ok, text)
      assert.is_true(os.clock() - before < 1, text)
      for _, diagnostic in ipairs(diagnostics) do
        assert.is_true(diagnostic.pos >= 1 and diagnostic.pos <= #text + 1 and diagnostic.stop >= diagnostic.pos, diagnostic.message)
        assert.is_string(parsed:excerpt(diagnostic.pos, diagnostic.stop))
      end
    end
  end)
end)
