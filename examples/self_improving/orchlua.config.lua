-- Two sorts, over the words of the scatter-gather example's documents. They count
-- their comparisons and moves: a measure that is the same on every machine.

local folder = (debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" or ".") .. "/../scatter_gather/documents/"

local function read_words()
  local words = {}
  for _, name in ipairs { "harbour.txt", "bees.txt", "bridges.txt", "bread.txt", "tides.txt" } do
    local file = assert(io.open(folder .. name))
    for word in file:read("a"):gmatch "%a+" do words[#words + 1] = word:lower() end
    file:close()
  end
  return words
end

-- Insertion sort between two places; gives its work.
local function insertion(list, first, last)
  local work = 0
  for i = first + 1, last do
    local word, k = list[i], i
    while k > first and list[k - 1] > word do
      list[k] = list[k - 1]
      k, work = k - 1, work + 2
    end
    list[k], work = word, work + 2
  end
  return work
end

-- Halves that are no longer than `cutoff` go to the insertion sort.
local function merge_sort(list, params)
  local cutoff = params.cutoff
  assert(cutoff >= 1, "a single word cannot be halved")
  local function sort(first, last)
    if last - first < cutoff then return insertion(list, first, last) end
    local middle = (first + last) // 2
    local work = sort(first, middle) + sort(middle + 1, last)
    local left, i, j, k = table.move(list, first, middle, 1, {}), 1, middle + 1, first
    while i <= #left do
      if j <= last and list[j] < left[i] then
        list[k], j = list[j], j + 1
      else
        list[k], i = left[i], i + 1
      end
      k, work = k + 1, work + 2
    end
    return work + #left + 8  -- the copy of the left half, and the two calls
  end
  return sort(1, #list)
end

local function median(a, b, c)
  if b < a then a, b = b, a end
  if c < a then return a end
  return c < b and c or b
end

-- The same around a pivot, the median of three: nothing is copied.
local function quick_sort(list, params)
  local cutoff = params.cutoff
  assert(cutoff >= 1, "a single word cannot be parted")
  local function sort(first, last)
    if last - first < cutoff then return insertion(list, first, last) end
    local pivot = median(list[first], list[(first + last) // 2], list[last])
    local i, j, work = first, last, 8
    while i <= j do
      while list[i] < pivot do i, work = i + 1, work + 1 end
      while list[j] > pivot do j, work = j - 1, work + 1 end
      if i <= j then
        list[i], list[j] = list[j], list[i]
        i, j, work = i + 1, j - 1, work + 4
      end
    end
    return work + sort(first, j) + sort(i, last)
  end
  return sort(1, #list)
end

local function sorter(sort)
  return function(request)
    local list = read_words()
    local work = sort(list, request.data.params)
    for i = 2, #list do assert(list[i - 1] <= list[i], "the words are not in order") end
    return { work = work }
  end
end

return { agents = { quick_sorter = sorter(quick_sort), merge_sorter = sorter(merge_sort) } }
