-- Indentation, brackets and line ends; what is said of what is wrong with them.

local shape = require "spec.support.shape"

local errors, tree = shape.errors, shape.tree

describe("a block", function()
  it("is the deeper lines, with any consistent width", function()
    for _, indent in ipairs { " ", "  ", "       " } do
      assert.equal("If(a){Wait(1) If(b){Wait(2)}} Wait(3)",
        tree(("IF a:\n%sWAIT 1\n%sIF b:\n%s%sWAIT 2\nWAIT 3"):format(indent, indent, indent, indent)))
    end
  end)

  it("may be one statement on the same line, and so may be its block", function()
    assert.equal("If(a){Return(1)}", tree "IF a: RETURN 1")
    assert.equal("If(a){If(b){Return(1)}}", tree "IF a: IF b: RETURN 1")
    assert.equal("While(a){Await(x)(timeout 3){Wait(1)}}", tree "WHILE a: AWAIT x TIMEOUT 3: WAIT 1")
  end)

  it("is not closed by blank lines and comments, however indented", function()
    assert.equal("If(a){Wait(1) Wait(2)} Wait(3)", tree "IF a: # c\n\n  WAIT 1\n# c\n\n      # c\n \t\n  WAIT 2 # c\n\nWAIT 3")
  end)

  it("of comments only is empty", function()
    assert.equal("If(a){} Wait(1)", tree "IF a:\n  # c\nWAIT 1")
    assert.equal("If(a){} Wait(1)", tree "IF a:\n\n# out here\n  # in here\n\nWAIT 1")
    assert.equal("If(a){}", tree "IF a:\n  # c")
    assert.equal("If(a){} Wait(1)", tree "IF a:\n\t\n\t# c\nWAIT 1")
    assert.same({ "1:6 expected a block after the condition of IF" }, errors "IF a:\n# out here\nWAIT 1")
  end)

  it("may be missing nowhere else", function()
    assert.same({ "1:6 expected a block after the condition of IF" }, errors "IF a:\nWAIT 1")
    assert.same({ "1:6 expected a block after the condition of IF" }, errors "IF a:")
    assert.same({ "3:7 expected a block after ELSE" }, errors "IF a:\n  WAIT 1\nELSE: # c\nWAIT 1")
  end)

  it("may be indented as a whole program is", function()
    assert.equal("Wait(1) Wait(2)", tree "  WAIT 1\n  WAIT 2\n")
  end)
end)

describe("clauses", function()
  it("belong to the statement at their indentation", function()
    assert.equal("If(a){If(b){Wait(1)} else {Wait(2)}}", tree "IF a:\n  IF b:\n    WAIT 1\n  ELSE:\n    WAIT 2")
    assert.equal("If(a){If(b){Wait(1)}} else {Wait(2)}", tree "IF a:\n  IF b:\n    WAIT 1\nELSE:\n  WAIT 2")
    assert.equal("If(a){If(b){Wait(1)}} else {Wait(2)}", tree "IF a: IF b: WAIT 1\nELSE: WAIT 2")
  end)

  it("may follow blank lines, comments and headings", function()
    assert.equal("If(a){Wait(1)}(b){Wait(2)} else {Wait(3)}", tree "IF a:\n  WAIT 1\n\n# c\n    # d\nELSE IF b:\n  WAIT 2\n\nELSE:\n  WAIT 3")
    assert.equal("If(a){Wait(1)} else {Heading(two) Wait(2)}", tree "## one\nIF a:\n  WAIT 1\n## two\nELSE:\n  WAIT 2")
    assert.equal("Switch(x) 1{Heading(two) Wait(1)} default {Heading(three) Wait(2)}",
      tree "## one\nSWITCH x:\n## two\n  CASE 1: WAIT 1\n## three\n  DEFAULT: WAIT 2")
  end)

  it("do not stand alone", function()
    assert.same({ "1:1 ELSE without its IF" }, errors "ELSE: WAIT 1")
    assert.same({ "3:1 TIMEOUT without its AWAIT" }, errors "IF a:\n  AWAIT x\nTIMEOUT: WAIT 1")
    assert.same({ "1:7 ELSE without its IF" }, errors "IF a: ELSE: WAIT 1")
    assert.same({ "3:3 ELSE without its IF" }, errors "IF a:\n  WAIT 1\n  ELSE:\n    WAIT 2")
  end)
end)

describe("a heading", function()
  it("is the title when it is the first, and a statement of the block around it later", function()
    local program = shape.parse "## One: two \nIF a:\n  WAIT 1\n## three\n  WAIT 2\n## four\nWAIT 3\n## five"
    assert.equal("One: two", program.title)
    assert.equal("If(a){Wait(1) Heading(three) Wait(2)} Heading(four) Wait(3) Heading(five)", shape.block(program.body))
  end)

  it("behind the last statement belongs to the program", function()
    assert.equal("If(a){If(b){Wait(1)}} Heading(two) Heading(three)", tree "## one\nIF a:\n  IF b:\n    WAIT 1\n## two\n## three")
    assert.equal("If(a){Wait(1)} Heading(two)", tree "## one\n  IF a:\n    WAIT 1\n## two")
  end)

  it("may stand before a line that is indented less than the first", function()
    assert.same({ "3:1 this indentation matches no open block" }, errors "  WAIT 1\n## one\nWAIT 2")
  end)

  it("begins in column 1 with two signs exactly", function()
    assert.equal("Wait(1)", tree "  ## c\n### c\n# c\nWAIT 1")
    assert.is_nil(shape.parse("### c\n#\n").title)
    assert.equal("two", shape.parse("##\n## \t\n## two\n##\nWAIT 1\n##").title)
    assert.equal("Wait(1)", tree "##\n## two\n##\nWAIT 1\n##")
    assert.equal("c", shape.parse("##c").title)
  end)

  it("costs the same however many there are", function()
    local started = os.clock()
    shape.parse(("## h\n"):rep(50000))
    assert.is_true(os.clock() - started < 3)
  end)
end)

describe("inside brackets", function()
  it("line ends, comments and indentation are white space", function()
    assert.equal('State(x = {a: 1, b: [1, 2]}) Wait(1)', tree 'STATE x = {\n  a: 1, # one }\n\n\t# two\n"b": [1,\n2,],\n}\nWAIT 1')
    assert.equal('If((a OR b)){Wait(1)}', tree "IF (a\nOR\n        b):\n  WAIT 1")
  end)

  it("a line that begins as a statement does ends what was never closed", function()
    assert.same({ "1:11 `{` is never closed", "3:11 `)` closes nothing" }, errors "STATE x = {a: 1,\n  b: 2\nSTATE y = )\n")
    assert.equal("State(x = {IF: 1, STATE: 2})", tree "STATE x = {\nIF : 1,\nSTATE: 2}")
    assert.equal("State(x = [APPEND(l, 1)])", tree "STATE x = [\nAPPEND (l, 1)]")
  end)
end)

describe("layout errors", function()
  it("name the line and say what to do", function()
    assert.same({ "2:1 a tab in the indentation [indent with spaces]" }, errors("IF a:\n\tWAIT 1\nWAIT 2", true))
    assert.same({ "2:3 a tab in the indentation" }, errors "IF a:\n  \tWAIT 1\n")
    assert.same({ "2:3 unexpected indentation [only the lines under a `:` are indented deeper]" }, errors("WAIT 1\n  WAIT 2\n", true))
    assert.same({ "3:3 this indentation matches no open block [indent it like the statement it follows]" },
      errors("IF a:\n    WAIT 1\n  WAIT 2\nWAIT 3", true))
    assert.same({ "2:3 unexpected indentation [`{` stands on the line of its statement]" }, errors("EVENT a:b\n  {x: 1}", true))
  end)

  it("come once for each line that is wrong, and once for lines that are wrong together", function()
    assert.same({ "2:3 unexpected indentation" }, errors "WAIT 1\n  WAIT 2\n  WAIT 3\nWAIT 4")
    assert.same({ "3:1 a tab in the indentation" }, errors "IF a:\n  WAIT 1\n\tWAIT 2\n  WAIT 3\nWAIT 4")
    assert.same({ "2:1 a tab in the indentation", "3:1 a tab in the indentation", "4:1 a tab in the indentation" },
      errors "IF a:\n\tIF b:\n\t\tWAIT 1\n\tWAIT 2\nWAIT 3")
    assert.same({ "3:2 this indentation matches no open block" }, errors "IF a:\n  WAIT 1\n ELSE:\n    WAIT 2")
  end)

  it("leave the lines around them what they are", function()
    local program = shape.broken "IF a:\n    WAIT 1\n  WAIT 2\nWAIT 3"
    assert.equal("If(a){Wait(1)} Wait(3)", shape.block(program.body))
  end)
end)
