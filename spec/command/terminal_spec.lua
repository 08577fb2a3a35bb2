-- How texts take their place on a terminal.

local terminal = require "orchlua.command.terminal"

describe("a text on a terminal", function()
  it("takes two columns for wide characters, and none for marks", function()
    assert.equal(5, terminal.width "abcde")
    assert.equal(4, terminal.width "äöüß")
    assert.equal(6, terminal.width "日本語")
    assert.equal(1, terminal.width "e\u{301}")
    assert.equal(2, terminal.width "👩")
    assert.equal(2, terminal.width "\xff\xfe")
  end)

  it("is shortened, padded and ended by columns", function()
    assert.equal("abc…", terminal.shorten("abcdef", 4))
    assert.equal("日…", terminal.shorten("日本語", 4))
    assert.equal("日本…", terminal.shorten("日本語", 5))
    assert.equal("日本語", terminal.shorten("日本語", 6))
    assert.equal("日本語  ", terminal.padded("日本語", 8))
    assert.equal("…", terminal.shorten("日本語", 1))
    assert.equal("…def", terminal.ending("abcdef", 4))
    assert.equal("…語", terminal.ending("日本語", 4))
    for width = 1, 12 do
      assert.is_true(terminal.width(terminal.shorten("a日b本c語d", width)) <= width)
      assert.is_true(terminal.width(terminal.ending("a日b本c語d", width)) <= width)
    end
  end)

  it("is quoted for a shell where it has to be", function()
    assert.equal("my-run.1/2", terminal.quoted "my-run.1/2")
    assert.equal("'a b'", terminal.quoted "a b")
    assert.equal("'it'\\''s'", terminal.quoted "it's")
    assert.equal("'*'", terminal.quoted "*")
    assert.equal("''", terminal.quoted "")
  end)
end)
