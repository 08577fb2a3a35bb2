-- `optimization:async`: proposes the next parameters of the strategy in use, from
-- what was measured. Each number is tuned by itself: where three different values
-- of it were tried, to the top of the parabola through the best ones; else a step
-- onward from the better of the last two. Pure, and the same for the same data.

local core = require "orchlua.core"

local value = core.value
local null = value.null

local M = {}

-- How far beyond the values tried a proposal may go, in their spread.
local REACH = 1.0
-- The first step of a parameter, as a share of its value.
local FIRST_STEP = 0.25

local function no(reasoning)
  return value.object {
    "success", "optimized_params", "expected_score", "reasoning",
    success = false, optimized_params = null, expected_score = null, reasoning = reasoning,
  }
end

-- Reading the entries -----------------------------------------------------------

local score_names = { "composite_score", "score", "quality", "success_rate" }

local function score_of(entry)
  for _, name in ipairs(score_names) do
    if type(entry[name]) == "number" then return entry[name] end
  end
end

-- The entries that can be learned from: those of the last one's strategy with
-- `params` and a score, the oldest first.
local function samples(entries)
  local last, found = entries[#entries], {}
  for _, entry in ipairs(entries) do
    local usable = value.kind(entry) == "object" and value.kind(entry.params) == "object" and score_of(entry)
    if usable and value.equal(entry.strategy or null, last.strategy or null) then
      found[#found + 1] = { params = entry.params, score = score_of(entry) }
    end
  end
  return found
end

local function best_of(list)
  local best = list[1]
  for _, sample in ipairs(list) do
    if sample.score > best.score then best = sample end
  end
  return best
end

-- One parameter --------------------------------------------------------------------

-- Values that differ by no more than rounding are one; each gets its mean score.
local function merged(points)
  local kept = {}
  for _, point in ipairs(points) do
    local last = kept[#kept]
    if last and point.x - last.x <= 1e-6 * math.max(1, math.abs(point.x)) then
      last.sum, last.count = last.sum + point.sum, last.count + point.count
    else
      kept[#kept + 1] = point
    end
  end
  for _, point in ipairs(kept) do point.y = point.sum / point.count end
  return kept
end

-- The mean score at each value of a parameter that was tried, in order of the values.
local function profile(list, name)
  local by_value, points = {}, {}
  for _, sample in ipairs(list) do
    local x = sample.params[name]
    if type(x) == "number" then
      local point = by_value[x]
      if not point then
        point = { x = x, sum = 0, count = 0 }
        by_value[x] = point
        points[#points + 1] = point
      end
      point.sum, point.count = point.sum + sample.score, point.count + 1
    end
  end
  table.sort(points, function(a, b) return a.x < b.x end)
  return merged(points)
end

local function index_of_best(points)
  local best = 1
  for i, point in ipairs(points) do
    if point.y > points[best].y then best = i end
  end
  return best
end

-- The top of the parabola through three points, or nil when it opens upward.
local function vertex(a, b, c)
  local d1, d2 = (b.y - a.y) / (b.x - a.x), (c.y - b.y) / (c.x - b.x)
  local bend = (d2 - d1) / (c.x - a.x)
  if bend >= 0 then return nil end
  local x = (a.x + b.x) / 2 - d1 / (2 * bend)
  if x - x ~= 0 then return nil end
  return x, a.y + (x - a.x) * (d1 + bend * (x - b.x))
end

local function clamp(x, low, high)
  return math.max(low, math.min(high, x))
end

-- A step beyond the best value: away from the worse neighbour.
local function onward(points, best)
  local spread = points[#points].x - points[1].x
  local neighbour = points[best - 1] or points[best + 1]
  local direction = points[best].x > neighbour.x and 1 or -1
  if points[best].y == neighbour.y then direction = 1 end
  return points[best].x + direction * math.max(spread / 2, math.abs(points[best].x) * 0.1)
end

-- Around the best value: between it and its two neighbours when it has both.
local function tuned(points)
  local best = index_of_best(points)
  if #points < 3 then return onward(points, best) end
  local middle = clamp(best, 2, #points - 1)
  local a, b, c = points[middle - 1], points[middle], points[middle + 1]
  local x, y = vertex(a, b, c)
  if not x then return best == middle and points[best].x or onward(points, best) end
  local reach = REACH * (points[#points].x - points[1].x)
  return clamp(x, points[1].x - reach, points[#points].x + reach), y
end

-- Whole numbers stay whole when all that were tried are.
local function like(points, x)
  for _, point in ipairs(points) do
    if math.type(point.x) ~= "integer" then return x end
  end
  local rounded = math.floor(x + 0.5)
  local tried = {}
  for _, point in ipairs(points) do tried[point.x] = true end
  if tried[rounded] and x ~= rounded then
    local other = x > rounded and rounded + 1 or rounded - 1
    if not tried[other] then rounded = other end
  end
  return rounded
end

-- Keeps the sign that every tried value has: a time-out of -3 s helps nobody.
local function same_sign(points, x)
  local low = points[1].x
  if low > 0 and x <= 0 then return low / 2 end
  if low == 0 and x < 0 then return 0 end
  return x
end

local function propose_one(list, name, current)
  local points = profile(list, name)
  if #points == 0 then return current end
  if #points == 1 then
    local step = math.abs(points[1].x) * FIRST_STEP
    return like(points, same_sign(points, points[1].x + math.max(step, math.type(points[1].x) == "integer" and 1 or 0.1))), nil
  end
  local x, expected = tuned(points)
  return like(points, same_sign(points, x)), expected
end

-- Which parameter to tune: one at a time, in turn, so that an effect has one cause.
local function turn(list, names)
  return names[(#list - 1) // 3 % #names + 1]
end

-- The proposal -----------------------------------------------------------------------

local function numeric_names(params)
  local names = {}
  for _, name in ipairs(params) do
    if type(params[name]) == "number" then names[#names + 1] = name end
  end
  return names
end

-- The samples that agree with the best one in all but one parameter.
local function comparable(list, best, name)
  local found = {}
  for _, sample in ipairs(list) do
    local same = true
    for _, other in ipairs(best.params) do
      if other ~= name and not value.equal(sample.params[other] or null, best.params[other]) then same = false end
    end
    if same then found[#found + 1] = sample end
  end
  return found
end

--- Answers `optimization:async`.
---@param data table   `{current_performance = [{strategy, params, composite_score | score}, …], …}`
---@return table   `{success, optimized_params, expected_score, reasoning}`
function M.propose(data)
  local entries = data.current_performance
  if value.kind(entries) ~= "array" or #entries == 0 then
    return no "there is nothing to learn from: `current_performance` is an array of measured entries"
  end
  local list = value.kind(entries[#entries]) == "object" and samples(entries) or {}
  if #list == 0 then return no "no entry of the strategy in use has `params` and a score" end
  if #list < 2 then return no "one measured entry is too few: two are the least" end
  local best = best_of(list)
  local names = numeric_names(best.params)
  if #names == 0 then return no "the entries' `params` hold no number to tune" end
  local name = turn(list, names)
  local proposed, expected = propose_one(comparable(list, best, name), name, best.params[name])
  local params = value.copy(best.params)
  local before = params[name]
  params[name] = proposed
  return value.object {
    "success", "optimized_params", "expected_score", "reasoning",
    success = true, optimized_params = params, expected_score = expected or best.score,
    reasoning = ("%s: %s to %s, from %d measured entries; the best so far scored %s"):format(
      name, value.text(before), value.text(proposed), #list, value.text(best.score)),
  }
end

return M
