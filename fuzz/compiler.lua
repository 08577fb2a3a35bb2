-- Fuzzes the compiler, with a program and with each program of a Markdown file: what it
-- takes loads as Lua, also as a variant that is entered anew at a statement; what it
-- refuses has an error, and everything it reports lies inside the source.

local lpeg = require "lpeg"

-- While the lexer is loaded, each rule that it captures by is made to count its matches:
-- in the fuzzer, which alone has something to count with.
local capture, count_rule, rules = lpeg.C, _G.count_rule, 0
if count_rule then
  lpeg.C = function(pattern)
    rules = rules + 1
    return capture(pattern) * lpeg.Cmt(true, count_rule(rules))
  end
end

local compiler = require "orchlua.compiler"
local literate = require "orchlua.dsl.literate"

lpeg.C = capture

-- What Lua's own limits make it say of a chunk that is right.
local LIMITS = { "too many", "too long", "too large", "overflow", "too much" }

local function is_limit(message)
  for _, words in ipairs(LIMITS) do
    if message:find(words, 1, true) then return true end
  end
  return false
end

local function lines_of(text)
  local lines = {}
  for line in (text:gsub("^\239\187\191", ""):gsub("\r\n", "\n") .. "\n"):gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  return lines
end

-- Code points; a byte that is part of none counts as one.
local function width(line)
  local count, at = 0, 1
  while at <= #line do
    local _, bad = utf8.len(line, at, #line, true)
    if not bad then return count + utf8.len(line, at, #line, true) end
    count, at = count + utf8.len(line, at, bad - 1, true) + 1, bad + 1
  end
  return count
end

local function check_place(diagnostic, lines, options)
  local line = lines[diagnostic.line - (options.first_line or 1) + 1]
  local column = diagnostic.column - (options.indent or 0)
  assert(line or diagnostic.line == 1, "a line outside the source: " .. diagnostic.message)
  assert(column >= 1 and column <= width(line) + 1, "a column outside its line: " .. diagnostic.message)
end

-- Looks at each diagnostic; gives them as text, and how many are errors.
local function check_diagnostics(diagnostics, text, options)
  local lines, report, errors = lines_of(text), {}, 0
  for i, d in ipairs(diagnostics) do
    assert(type(d.message) == "string" and d.message ~= "" and (d.hint == nil or type(d.hint) == "string"), "a diagnostic without words")
    assert(d.severity == "error" or d.severity == "warning")
    assert(d.excerpt:find "^[^\n]*\n *%^~*$", "an excerpt without its caret")
    check_place(d, lines, options)
    local complex = d.message:match "^this program is too complex to compile: (.*)"
    assert(not complex or is_limit(complex), complex)
    if d.severity == "error" then errors = errors + 1 end
    report[i] = ("%d:%d %s (%s)"):format(d.line, d.column, d.message, d.hint)
  end
  return table.concat(report, "\n"), errors
end

local function check_loads(program)
  for _, unit in ipairs(program.units) do
    for _, part in ipairs(unit.parts) do assert(load(part.text, "=unit", "t", {})) end
  end
end

-- One of a program's statements, entered anew.
local function check_entry(program, text)
  local site = #program.sites > 0 and #text % #program.sites + 1
  if not site or not program.sites[site].statement then return end
  local variant = program.with_entry(program:entry_of(site))
  if variant then check_loads(variant) end
end

local function check_program(text, options)
  local program, found, all = compiler.compile(text, options)
  local report, errors = check_diagnostics(all or found, text, options)
  assert((program ~= nil) == (errors == 0), "neither a program nor an error, or both")
  if not program then return report end
  check_loads(program)
  check_entry(program, text)
  return report .. "\n" .. program:lua()
end

return function(text)
  local reports = { check_program(text, { edited = #text % 2 == 1 }) }
  local found = literate.programs(text)
  for _, program in ipairs(found.programs) do
    assert(literate.find(found.programs, tostring(program.number)) == program, "a program that its number does not find")
    reports[#reports + 1] = program.slug .. "\n" .. check_program(program.text, { first_line = program.first_line, indent = program.indent })
  end
  for _, diagnostic in ipairs(found.diagnostics) do
    assert(diagnostic.line >= 1 and diagnostic.line <= #lines_of(text) and diagnostic.message ~= "", "the front matter is wrong nowhere")
    reports[#reports + 1] = ("%d: %s"):format(diagnostic.line, diagnostic.message)
  end
  return table.concat(reports, "\n\n")
end
