-- Reads the analysis as JSON, prints a report for people.

local text = io.read "a"

local function number(name) return tonumber(text:match(('"%s": ([%%d.]+)'):format(name))) end

local function group(name)
  local list, sum = {}, 0
  for key, amount in text:match(('"%s": {(.-)}'):format(name)):gmatch '"(.-)": ([%d.]+)' do
    list[#list + 1] = { key = key, amount = tonumber(amount) }
    sum = sum + tonumber(amount)
  end
  return list, sum
end

local function show(title, name, by_amount)
  local list, sum = group(name)
  if by_amount then table.sort(list, function(a, b) return a.amount > b.amount end) end
  print(("\n%s"):format(title))
  for _, entry in ipairs(list) do
    print(("  %-12s %10.2f  %4.1f %%  %s"):format(entry.key, entry.amount, entry.amount / sum * 100, ("#"):rep(math.floor(entry.amount / sum * 40 + 0.5))))
  end
end

print(("Sales report: %d rows, revenue %.2f"):format(number "rows", number "revenue"))
print("(" .. text:match '"notes": "(.-)"' .. ")")
show("By region", "region", true)
show("By product", "product", true)
show("By month", "month", false)
