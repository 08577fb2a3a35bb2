-- Sorts the words of the other examples' documents and counts comparisons and
-- moves: a measure that is the same on every machine.

local folder = (debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" or ".") .. "/../scatter_gather/documents/"

local function words_of(part)
  local words, names = {}, { "harbour.txt", "bees.txt", "bridges.txt", "bread.txt", "tides.txt" }
  for _, name in ipairs(names) do
    local file = assert(io.open(folder .. name))
    for word in file:read("a"):gmatch "%a+" do words[#words + 1] = word:lower() end
    file:close()
  end
  return table.move(words, part * (#words // 3) + 1, (part + 1) * (#words // 3), 1, {})
end

-- Comparisons count one, moves of an element one, a merged piece's overhead eight.
local function sorter(cutoff)
  local work = 0
  local function insertion(list, first, last)
    for i = first + 1, last do
      local word, k = list[i], i
      while k > first and list[k - 1] > word do
        list[k] = list[k - 1]
        k, work = k - 1, work + 2
      end
      list[k], work = word, work + 1
    end
  end
  local function sort(list, first, last)
    if last - first < cutoff then return insertion(list, first, last) end
    local middle = (first + last) // 2
    sort(list, first, middle)
    sort(list, middle + 1, last)
    local left, i, j, k = table.move(list, first, middle, 1, {}), 1, middle + 1, first
    work = work + 8 + #left
    while i <= #left do
      if j <= last and list[j] < left[i] then
        list[k], j = list[j], j + 1
      else
        list[k], i = left[i], i + 1
      end
      k, work = k + 1, work + 3
    end
  end
  return function(list)
    sort(list, 1, #list)
    return work
  end
end

local function is_sorted(list)
  for i = 2, #list do
    if list[i] < list[i - 1] then return false end
  end
  return true
end

return {
  agents = {
    sorter = function(request)
      local list = words_of(request.data.part)
      local work = sorter(request.data.cutoff)(list)
      return { work = work, sorted = is_sorted(list) }
    end,
  },
}
