-- Reads clean rows, adds up the revenue by region, product and month, and prints
-- `group,name,revenue` lines. Lines that start with # are handed on.

local sums, rows, revenue = { region = {}, product = {}, month = {} }, 0, 0

local function add(group, name, amount)
  sums[group][name] = (sums[group][name] or 0) + amount
end

for line in io.lines() do
  local date, region, product, units, price = line:match "^(%d%d%d%d%-%d%d%-%d%d),([^,]*),([^,]*),(%d+),([%d.]+)$"
  if date then
    local amount = units * price
    rows, revenue = rows + 1, revenue + amount
    add("region", region, amount)
    add("product", product, amount)
    add("month", date:sub(1, 7), amount)
  elseif line:find "^#" then
    print(line)
  end
end

if rows == 0 then error("no row to analyse", 0) end
print(("all,%d rows,%.2f"):format(rows, revenue))
for group, names in pairs(sums) do
  for name, amount in pairs(names) do print(("%s,%s,%.2f"):format(group, name, amount)) end
end
