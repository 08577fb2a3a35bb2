-- Reads `file lines functions comments longest name` rows, prints a table for people.

local rows, lines, worst = {}, 0, nil

for file, count, functions, comments, longest, name in io.read("a"):gmatch "(%S+) (%d+) (%d+) (%d+) (%d+) (%S+)" do
  local row = { file, tonumber(count), tonumber(functions), comments * 100 // count, tonumber(longest), name }
  rows[#rows + 1] = row
  lines = lines + row[2]
  if not worst or row[5] > worst[5] then worst = row end
end

if not worst then error("no review to report on", 0) end

print(("%-14s %6s %10s %9s  %s"):format("file", "lines", "functions", "comments", "longest function"))
for _, row in ipairs(rows) do
  print(("%-14s %6d %10d %7d %%  %5d lines: %s"):format(table.unpack(row)))
end
print(("\n%d files, %d lines. The longest function is %s in %s: %d lines."):format(#rows, lines, worst[6], worst[1], worst[5]))
