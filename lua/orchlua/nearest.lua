-- The nearest known word to a misspelt one, for hints.

local M = {}

-- The edit distance with neighbouring letters swapped counted as one.
local function distance(a, b)
  local before, previous = nil, {}
  for j = 0, #b do previous[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      row[j] = math.min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + cost)
      if before and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, previous = previous, row
  end
  return previous[#b]
end

--- The one of `known` that is nearest to `word`, when it is near enough to be
--- what was meant (a third of its letters wrong at most).
---@param word string
---@param known string[]
---@return string?
function M.find(word, known)
  if #word > 100 then return nil end
  local best, least = nil, math.max(1, #word // 3) + 1
  for _, candidate in ipairs(known) do
    if math.abs(#candidate - #word) < least then
      local d = distance(word:lower(), candidate:lower())
      if d < least then best, least = candidate, d end
    end
  end
  return best
end

--- A hint that names the nearest known word, or nil.
function M.hint(word, known)
  local near = M.find(word, known)
  return near and ("did you mean `%s`?"):format(near)
end

return M
