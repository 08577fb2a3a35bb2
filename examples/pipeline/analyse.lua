-- Reads clean rows, prints JSON: the revenue by region, product and month.

local totals, notes, rows, revenue = { region = {}, product = {}, month = {} }, "", 0, 0

local function add(group, name, amount)
  totals[group][name] = (totals[group][name] or 0) + amount
end

for line in io.lines() do
  local date, region, product, units, price = line:match "^(%d%d%d%d%-%d%d%-%d%d),([^,]*),([^,]*),(%d+),([%d.]+)$"
  if date then
    local amount = tonumber(units) * tonumber(price)
    rows, revenue = rows + 1, revenue + amount
    add("region", region, amount)
    add("product", product, amount)
    add("month", date:sub(1, 7), amount)
  elseif line:find "^#" then
    notes = line:sub(3)
  end
end

local function sorted(group)
  local names, fields = {}, {}
  for name in pairs(group) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do fields[i] = ("%q: %.2f"):format(name, group[name]) end
  return "{" .. table.concat(fields, ", ") .. "}"
end

print(('{"rows": %d, "revenue": %.2f, "notes": %q, "region": %s, "product": %s, "month": %s}'):format(
  rows, revenue, notes, sorted(totals.region), sorted(totals.product), sorted(totals.month)))
