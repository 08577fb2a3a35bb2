-- How the house is built: arrows point down, every file says what it is for, and
-- the README's program does what the README says.

local command = require "spec.support.command"

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

local function files(folder, pattern)
  local found = {}
  for path in io.popen("find " .. folder .. " -name '" .. pattern .. "' | sort"):lines() do found[#found + 1] = path end
  return found
end

describe("the house", function()
  it("has arrows that point down only", function()
    local above = {
      ["lua/orchlua/dsl"] = { "orchlua.run", "orchlua.runtime", "orchlua.agents", "orchlua.command", "orchlua.core", "orchlua.functions" },
      ["lua/orchlua/functions"] = { "orchlua.run", "orchlua.runtime", "orchlua.agents", "orchlua.command", "orchlua.dsl" },
      ["lua/orchlua/run"] = { "orchlua.command", "orchlua.dsl", "orchlua.runtime" },
      ["lua/orchlua/agents"] = { "orchlua.command", "orchlua.run", "orchlua.runtime" },
      ["lua/orchlua/store"] = { "orchlua.command", "orchlua.run", "orchlua.runtime", "orchlua.dsl" },
    }
    for folder, forbidden in pairs(above) do
      for _, path in ipairs(files(folder, "*.lua")) do
        local text = read(path)
        for _, name in ipairs(forbidden) do
          assert.is_nil(text:find(('require%%s*%%(?"%s["./]'):format((name:gsub("%.", "%%.")))), path .. " requires " .. name)
        end
      end
    end
  end)

  it("writes patterns against the public modules alone", function()
    for _, path in ipairs(files("patterns", "*.lua")) do
      for name in read(path):gmatch 'require%s*%(?"([^"]+)"' do assert.is_true(name == "orchlua" or name == "orchlua.patterns", path .. " requires " .. name) end
    end
  end)

  it("opens each file with what it is for", function()
    for _, path in ipairs(files("patterns", "*.lua")) do assert.matches("^%-%- [%u`]", read(path):sub(1, 100), path) end
    for _, path in ipairs(files("lua", "*.lua")) do assert.matches("^%-%- [%u`]", read(path):sub(1, 100), path) end
    for _, path in ipairs(files("core", "*.[ch]")) do assert.matches("^/%* [%u`]", read(path):sub(1, 100), path) end
  end)

  it("names no Lua module in C", function()
    for _, path in ipairs(files("core", "*.c")) do assert.is_nil(read(path):find 'require%(', path) end
  end)
end)

describe("README.md", function()
  it("has a first program that prints what it says", function()
    local text = read "README.md"
    local folder = command.folder {
      ["hello.dsl"] = text:match "```dsl\n(.-)```", ["orchlua.config.lua"] = text:match "```lua\n(.-)```",
    }
    local r = command.run("hello.dsl --quiet", folder)
    command.remove(folder)
    assert.equal(text:match "hello%.dsl %-%-quiet\n(.-)```", r.out)
  end)

  it("and the other documents link to files that exist", function()
    for _, path in ipairs { "README.md", "examples/README.md", "docs/language.md", "docs/architecture.md", "docs/configuration.md", "docs/models.md", "docs/command.md", "docs/durability.md",
      "docs/patterns.md", "docs/library.md" } do
      local folder = path:match "^(.*/)" or ""
      for link in read(path):gmatch "%]%(([^)#:]+)%)" do
        assert.is_truthy(io.open(folder .. link), path .. " links to " .. link)
      end
    end
  end)
end)
