local secrecy = require "orchlua.secrecy"

local SECRETS = secrecy.of("sk-12345678", { ["X-Api-Token"] = "tok-abcdefgh", Authorization = "Basic dXNlcjpwYXNz", Accept = "application/json" })

describe("a secret", function()
  it("is a key, and what a header of its kind carries, with and without its scheme", function()
    assert.same({ "Basic dXNlcjpwYXNz", "dXNlcjpwYXNz", "tok-abcdefgh", "sk-12345678" }, SECRETS)
    assert.same({}, secrecy.of("short", { Accept = "application/json" }))
    assert.same({ "12345678" }, secrecy.of(nil, { ["X-Auth"] = "12345678" }))
  end)

  it("is masked wherever it stands", function()
    assert.equal("a [secret] b [secret] c [secret]", secrecy.mask("a sk-12345678 b tok-abcdefgh c Basic dXNlcjpwYXNz", SECRETS))
    assert.equal("nothing here", secrecy.mask("nothing here", SECRETS))
  end)

  it("is masked where it is escaped, and other texts stay as they are", function()
    local secrets = secrecy.of('sk-1/2+3"4=5', nil)
    for _, text in ipairs { [[sk-1\/2+3\"4=5]], [[sk-1\u002f2\u002B3\u00224\u003d5]], [[\u0073\u006b-1/2+3\"4=5]], "sk-1%2F2%2b3%224%3D5", 'sk-1/2+3"4=5' } do
      assert.equal('{"a\\"/": "[secret]"}', secrecy.mask('{"a\\"\\/": "' .. text .. '"}', secrets):gsub("\\/", "/"), text)
      assert.equal("[secret]", secrecy.mask(text, secrets):sub(1, 8))
    end
    assert.equal("[secret]", secrecy.mask(("50% of \\/ "):rep(200000) .. [[sk-1\/2+3\"4=5]], secrets):sub(-8))
    for _, text in ipairs { [[sk-1\\/2+3\"4=5]], [[a\/b \u0041 100%25]] } do assert.equal(text, secrecy.mask(text, secrets)) end
  end)

  it("is masked in pieces that are cut anywhere, and nothing else is lost", function()
    local text = "say sk-12345678sk-12345678 sk-1234 and tok-abcdefgh, sk-12345679 sk-123"
    for size = 1, #text do
      local mask, shown = secrecy.masker(SECRETS), {}
      for at = 1, #text, size do shown[#shown + 1] = mask(text:sub(at, at + size - 1)) end
      shown[#shown + 1] = mask(nil)
      assert.equal("say [secret][secret] sk-1234 and [secret], sk-12345679 sk-123", table.concat(shown), "in pieces of " .. size)
    end
  end)

  it("that is cut off is masked when most of it has come", function()
    local mask = secrecy.masker(SECRETS)
    assert.equal("a [secret]", mask "a sk-1234567" .. mask(nil))
    assert.equal("a sk-12", mask "a sk-12" .. mask(nil))
  end)

  it("is read from a file, on one line", function()
    local name = os.tmpname()
    local function file(text)
      local handle = assert(io.open(name, "wb"))
      handle:write(text)
      handle:close()
      return secrecy.read(name)
    end
    assert.equal("sk-1", file " sk-1\r\n")
    assert.truthy(select(2, file "\n"):find("is empty", 1, true))
    assert.truthy(select(2, file "two\nlines"):find("not one line of plain text", 1, true))
    os.remove(name)
    assert.truthy(select(2, secrecy.read(name)):find("cannot read the key", 1, true))
  end)
end)
