-- Reads the reviews as JSON, prints a table and a verdict.

local text = io.read "a"
local rows, total, worst = {}, 0, nil

for file, lines, functions, longest, name, comments in text:gmatch
  '"file":"(.-)","lines":(%d+),"functions":(%d+),"longest":(%d+),"name":"(.-)","comments":(%d+)' do
  local row = { file = file, lines = tonumber(lines), functions = tonumber(functions), longest = tonumber(longest), name = name, comments = tonumber(comments) }
  rows[#rows + 1] = row
  total = total + row.lines
  if not worst or row.longest > worst.longest then worst = row end
end

print(("%-14s %6s %10s %9s  %s"):format("file", "lines", "functions", "comments", "longest function"))
for _, row in ipairs(rows) do
  print(("%-14s %6d %10d %7d %%  %s, %d lines"):format(row.file, row.lines, row.functions, row.comments * 100 // row.lines, row.name, row.longest))
end
print(("\n%d files, %d lines. The longest function is %s in %s: %d lines."):format(#rows, total, worst.name, worst.file, worst.longest))
