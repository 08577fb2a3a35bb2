-- Reads `group,name,revenue` lines, prints a report for people.

local groups, notes, rows, revenue = { region = {}, product = {}, month = {} }, {}, nil, nil

for line in io.lines() do
  local group, name, amount = line:match "^(%l+),([^,]+),([%d.]+)$"
  if group == "all" then
    rows, revenue = name, tonumber(amount)
  elseif group then
    table.insert(groups[group], { name = name, amount = tonumber(amount) })
  else
    notes[#notes + 1] = "(" .. line:gsub("^# ", "") .. ")"
  end
end

local function show(title, group, before)
  table.sort(groups[group], before)
  print("\n" .. title)
  for _, entry in ipairs(groups[group]) do
    local share = entry.amount / revenue
    print(("  %-12s %10.2f  %4.1f %%  %s"):format(entry.name, entry.amount, share * 100, ("#"):rep(math.floor(share * 40 + 0.5))))
  end
end

local function dearer(a, b) return a.amount > b.amount end
local function earlier(a, b) return a.name < b.name end

print(("Sales report: %s, revenue %.2f"):format(rows, revenue))
if #notes > 0 then print(table.concat(notes, "\n")) end
show("By region", "region", dearer)
show("By product", "product", dearer)
show("By month", "month", earlier)
