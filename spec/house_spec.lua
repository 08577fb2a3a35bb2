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

  -- A document without what stands between fences.
  local function prose(path)
    local lines, fence = {}, nil
    for line in (read(path) .. "\n"):gmatch "(.-)\n" do
      local mark = line:match "^%s*(```+)" or line:match "^%s*(~~~+)"
      if not fence then
        fence = mark
        if not mark then lines[#lines + 1] = line end
      elseif mark and mark:find(fence, 1, true) == 1 then
        fence = nil
      end
    end
    return table.concat(lines, "\n") .. "\n"
  end

  -- The anchors of a document's headings, as GitHub makes them: in lower case, without punctuation, with a hyphen for
  -- each space; the second one of a name is `name-1`.
  local function anchors(path)
    local known, counts = {}, {}
    for heading in ("\n" .. prose(path)):gmatch "\n#+ +([^\n]*)" do
      local text = heading:gsub("%[(.-)%]%(.-%)", "%1"):gsub("%s+$", ""):lower()
      local slug = text:gsub("[^%w%s_\x80-\xff-]", ""):gsub("%s", "-")
      local count = counts[slug]
      counts[slug] = (count or 0) + 1
      known[count and slug .. "-" .. count or slug] = true
    end
    return known
  end

  it("and the other documents link to files and headings that exist", function()
    local count = 0
    for _, path in ipairs { "README.md", "CHANGELOG.md", "examples/README.md", table.unpack(files("docs", "*.md")) } do
      for link in prose(path):gmatch "%]%(([^)%s]+)%)" do
        if not link:find "^%a+:" then
          local file, anchor = link:match "^([^#]*)#?(.*)$"
          local target = file == "" and path or (path:match "^(.*/)" or "") .. file
          assert.is_truthy(io.open(target), path .. " links to " .. link)
          assert.is_true(anchor == "" or anchors(target)[anchor] == true, path .. " links to " .. link .. ", and there is no such heading")
          count = count + 1
        end
      end
    end
    assert.is_true(count > 50)
  end)
end)
