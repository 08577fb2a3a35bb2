-- Puts the figures that `make bench` left in build/bench/figures.json into docs/performance.md:
--   lua5.4 tools/figures.lua FIGURES.json PAGE.md

package.path = "./?.lua;" .. package.path

local json = require "orchlua.core".json
local report = require "bench.report"

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

local lines, section = {}, nil
for _, figure in ipairs(assert(json.decode(read(arg[1])))) do
  if figure.section ~= section then
    section = figure.section
    lines[#lines + 1] = ("\n**%s**\n\n| | orchlua | beside it | goal |\n| --- | --- | --- | --- |"):format(section)
  end
  lines[#lines + 1] = ("| %s | %s %s | %s | %s |"):format(figure.name, report.shown(figure.value), figure.unit,
    report.beside_text(figure), report.goal_text(figure))
end

local page = read(arg[2])
local before, after = page:match "^(.-<!%-%- figures %-%->\n).-(<!%-%- /figures %-%->.*)$"
local file = assert(io.open(arg[2], "w"))
assert(file:write(before, table.concat(lines, "\n"), "\n\n", after))
assert(file:close())
