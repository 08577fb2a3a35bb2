local literate = require "orchlua.dsl.literate"

local function programs(text) return literate.programs(text).programs end

describe("a Markdown file", function()
  it("holds programs in blocks labelled dsl, and in unlabelled ones that start as programs do", function()
    local found = programs("# One\n```dsl\nanything at all\n```\n```\nSTATE x = 1\n```\n```\nplain text\n```\n```lua\nSTATE = 1\n```\n~~~DSL\nRETURN 1\n~~~\n```\n# a comment\nEVENT a:b\n```\n")
    assert.equal(4, #found)
    assert.equal("anything at all\n", found[1].text)
    assert.equal("RETURN 1\n", found[3].text)
  end)

  it("names a program by its own title, else by the heading above", function()
    local found = programs("## Above ##\n```dsl\n## Own: Title!\nRETURN 1\n```\n```dsl\nRETURN 2\n```\n```dsl\nRETURN 3\n```\n")
    assert.equal("own-title", found[1].slug)
    assert.equal("above", found[2].slug)
    assert.equal("above-2", found[3].slug)
    assert.equal("Own: Title!", found[1].title)
  end)

  it("numbers the programs of one name", function()
    local found = programs(("# A\n```dsl\nRETURN 1\n```\n"):rep(2) .. "# A 2\n```dsl\nRETURN 1\n```\n" .. ("# A\n```dsl\nRETURN 1\n```\n"):rep(2000))
    assert.same({ "a", "a-2", "a-2-2", "a-3", "a-2002" }, { found[1].slug, found[2].slug, found[3].slug, found[4].slug, found[2003].slug })
  end)

  it("knows on which line and how far indented a program begins", function()
    local found = programs("text\n\n  ````dsl\n  RETURN 1\n  ```\n  RETURN 2\n  ````\n")
    assert.equal(1, #found)
    assert.equal(4, found[1].first_line)
    assert.equal(2, found[1].indent)
    assert.equal("RETURN 1\n```\nRETURN 2\n", found[1].text)
  end)

  it("has front matter, which may be wrong", function()
    local good = literate.programs "---\nname: x\ncapabilities:\n  - a\n---\n```dsl\nRETURN 1\n```\n"
    assert.equal("x", good.front.name)
    assert.equal("a", good.front.capabilities[1])
    local bad = literate.programs "---\nname: [\n---\n"
    assert.is_nil(bad.front)
    assert.matches("front matter", bad.diagnostics[1].message)
  end)

  it("has front matter of which the known fields are kept; what is wrong with it has its line", function()
    local front = literate.programs("\239\187\191---  \r\nname: x\r\nversion: 1.0.0\r\nother: 1\r\nsecurity_profile: none\r\n--- \r\n").front
    assert.same({ name = "x", version = "1.0.0", security_profile = "none" }, front)
    assert.same({}, literate.programs("---\n---\n").front)
    assert.same({}, literate.programs("---\nversion: .nan\nname:\n---\n").front)
    assert.is_nil(literate.programs("text\n---\nname: x\n---\n").front)
    for text, expected in pairs {
      ["---\nname: x\nbad: [\n---\n"] = "3 the front matter is no YAML: did not find expected node content",
      ["---\n- a\n---\n"] = "2 the front matter is no YAML mapping", ["---\njust text\n---\n"] = "2 the front matter is no YAML mapping",
      ["---\nsecurity_profile: none\n\n# Title\n"] = "1 the front matter is never closed",
    } do
      local found = literate.programs(text)
      assert.is_nil(found.front)
      assert.equal(expected, found.diagnostics[1].line .. " " .. found.diagnostics[1].message)
    end
    assert.same({}, literate.programs("---\n\na rule, no front matter\n").diagnostics)
  end)

  it("tells keywords from words that begin like them", function()
    assert.equal(0, #programs "```\nSTATES are\n```\n```\nSTATE_X\n```\n```\nstate x\n```\n")
    assert.equal(2, #programs "```\n\n  IF )\n```\n```\nPARALLEL(limit: 2):\n```\n")
  end)

  it("keeps letters beyond ASCII in slugs, and knows underlined headings", function()
    assert.equal("日本-größe", programs("# 日本: Größe!\n```dsl\nWAIT 1\n```\n")[1].slug)
    assert.equal("a-title", programs("A title\n=======\n```dsl\nWAIT 1\n```\n")[1].slug)
    assert.equal("above", programs("# Above\n- item\n---\n```dsl\nWAIT 1\n```\n")[1].slug)
  end)

  it("without a program has none, and an open fence ends with the file", function()
    assert.equal(0, #programs "just text\r\n")
    assert.equal("RETURN 1\n\n", programs("```dsl\nRETURN 1\n")[1].text)
  end)
end)

describe("choosing", function()
  local found = programs "```dsl\n## Pipeline: a\nRETURN 1\n```\n```dsl\n## Pipes\nRETURN 2\n```\n"

  it("goes by number, slug or a unique beginning", function()
    assert.equal(2, literate.find(found, "2").number)
    assert.equal(2, literate.find(found, "pipes").number)
    assert.equal(1, literate.find(found, "pipel").number)
    assert.equal(1, literate.find(found, "Pipeline-A").number)
    assert.is_nil(literate.find(found, "0x1"))
    assert.is_nil(literate.find(found, "0"))
  end)

  it("lists what there is when it does not find one", function()
    local program, message = literate.find(found, "pip")
    assert.is_nil(program)
    assert.matches("more than one", message)
    assert.matches("#pipeline%-a", select(2, literate.find(found, "none")))
  end)
end)
