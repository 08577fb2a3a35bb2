-- The language reference tells the truth: its programs compile, those with an
-- output below them print just that, and its tables of expressions hold.

local command = require "spec.support.command"
local config = require "orchlua.config"
local orchlua = require "orchlua"
local run = require "spec.support.run"

local PAGE, CONFIG = "docs/language.md", "spec/support/docs.config.lua"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

-- The page's programs `{line, text, output?, names?}` and expressions `{line, text, value?}`.
local function contents()
  local programs, expressions, block, in_table, number = {}, {}, nil, false, 0
  for line in (read(PAGE) .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    if block and line == "```" then
      block = nil
    elseif block then
      if block.take then block.take(line .. "\n") end
    elseif line:find "^```" then
      local label, last = line:sub(4), programs[#programs]
      block = {}
      if label:find "^dsl" then
        local program = { line = number, text = "", names = label == "dsl names" }
        programs[#programs + 1] = program
        block.take = function(added) program.text = program.text .. added end
      elseif label == "text" then
        last.output = ""
        block.take = function(added) last.output = last.output .. added end
      end
    else
      if not line:find "^|" then in_table = false end
      if line:find "^| expression | value |" then in_table = true end
      local text = in_table and line:match "^| `(.-)` |"
      if text then expressions[#expressions + 1] = { line = number, text = text, value = line:match "^| `.-` | `(.-)` |" } end
    end
  end
  return programs, expressions
end

describe(PAGE, function()
  local checked = assert(config.load(CONFIG))
  local programs, expressions = contents()
  local here = io.popen "pwd":read "l"
  local folder, names

  setup(function() folder = command.folder {} end)
  teardown(function() command.remove(folder) end)

  local function printed(text)
    local file = assert(io.open(folder .. "/example.dsl", "wb"))
    file:write(text)
    file:close()
    local result = command.run(("example.dsl --quiet --virtual-time --seed 1 --config '%s/%s' 2>&1"):format(here, CONFIG), folder)
    return result.out
  end

  for _, program in ipairs(programs) do
    if program.names then names = program.text end
    it(("has a program in line %d that %s"):format(program.line, program.output and "prints what is shown" or "compiles"), function()
      if program.output then return assert.equal(program.output, printed(program.text)) end
      local compiled, wrong = orchlua.compile(program.text, { name = PAGE, config = checked })
      assert(compiled, wrong[1] and wrong[1].message)
    end)
  end

  for _, expression in ipairs(expressions) do
    it(("has the right value of %s"):format(expression.text), function()
      local text = run.text((names or "") .. "RETURN JSON.stringify(" .. expression.text .. ")", { config = dofile(CONFIG) })
      if expression.value then assert.equal(expression.value, text) end
    end)
  end

  it("names every function and every method", function()
    local text = read(PAGE)
    for name in pairs(require "orchlua.functions") do assert.matches(name .. "(", text, 1, true) end
    for name, method in pairs(require "orchlua.functions.methods") do
      if type(method) == "table" then assert.matches("." .. name .. "(", text, 1, true) end
    end
  end)

  it("names every reserved word", function()
    local text = read(PAGE)
    for word in pairs(require "orchlua.dsl.words".reserved) do assert.matches("%f[%w]" .. word .. "%f[%W]", text) end
  end)
end)

for _, page in ipairs { "docs/configuration.md", "docs/models.md" } do
describe(page, function()
  local text = read(page)

  for label, block, rest in text:gmatch "```lua (%l+)\n(.-)\n```\n()" do
    if label == "config" then
      it("shows a configuration that is valid: " .. block:match "^[^\n]+", function()
        local name = os.tmpname()
        local file = assert(io.open(name, "w"))
        file:write(block)
        file:close()
        local checked, problem = config.load(name)
        os.remove(name)
        assert(checked, problem and problem.message)
      end)
    else
      it("shows a program that prints what is shown", function()
        local lines = {}
        local function take(...)
          local shown = table.pack(...)
          for i = 1, shown.n do shown[i] = tostring(shown[i]) end
          lines[#lines + 1] = table.concat(shown, "\t") .. "\n"
        end
        assert(load(block, "example", "t", setmetatable({ print = take }, { __index = _G })))()
        assert.equal(text:match("```text\n(.-)```", rest), table.concat(lines))
      end)
    end
  end
end)
end

describe("README.md", function()
  it("shows a first program that prints what is shown", function()
    local text = read "README.md"
    local folder = command.folder {
      ["hello.dsl"] = text:match "```dsl\n(.-)```", ["orchlua.config.lua"] = text:match "```lua\n(.-)```",
    }
    local arguments, output = text:match "```\n%$ %./build/orchlua ([^\n]+)\n(.-)```"
    local result = command.run(arguments, folder)
    command.remove(folder)
    assert.equal(output, result.out)
  end)

  it("links to files that are there, as the pages do", function()
    for _, page in ipairs { "README.md", PAGE, "docs/configuration.md", "docs/models.md", "docs/command.md" } do
      local base = page:match "^(.*/)" or ""
      for link in read(page):gmatch "%]%(([^)#:]+)[^):]*%)" do assert(io.open(base .. link), page .. " links to " .. link) end
    end
  end)

  it("links to headings that are there, as the pages do", function()
    local function anchors(page)
      local found = {}
      for title in ("\n" .. read(page)):gmatch "\n#+ ([^\n]+)" do
        found[title:lower():gsub("[^%w _-]", ""):gsub(" ", "-")] = true
      end
      return found
    end
    for _, page in ipairs { "README.md", PAGE, "docs/configuration.md", "docs/models.md", "docs/command.md" } do
      local base = page:match "^(.*/)" or ""
      for link, anchor in read(page):gmatch "%]%(([^)#:]*)#([^):]+)%)" do
        local to = link == "" and page or base .. link
        assert.is_true(anchors(to)[anchor], ("%s links to %s#%s"):format(page, link, anchor))
      end
    end
  end)
end)
