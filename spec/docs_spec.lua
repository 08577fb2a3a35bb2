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
      local text, value = line:match "^| `(.-)` | `?(.-)`? |"
      if in_table and text then expressions[#expressions + 1] = { line = number, text = text, value = value ~= "" and value or nil } end
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
