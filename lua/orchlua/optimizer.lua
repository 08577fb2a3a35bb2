-- `optimization:async`: proposes the next parameters of the strategy in use, from
-- what was measured. Two stages: while few values were tried, one parameter at a
-- time takes a step from the best entry; then a quadratic is fitted around the
-- best, and its top is proposed. Pure, the same for the same data, never non-finite.

local core = require "orchlua.core"
local quadratic = require "orchlua.optimizer.quadratic"

local json, value = core.json, core.value
local kind, null = value.kind, value.null
local tointeger, max, min, abs, floor = math.tointeger, math.max, math.min, math.abs, math.floor

local M = {}

-- How far beyond the values tried a proposal may go, in their spread.
local REACH = 1.0
-- The first step of a parameter, as a share of its value.
local FIRST_STEP = 0.25
-- With more parameters than this they are tuned one at a time only.
local MOST_FITTED = 12

local function answer(success, params, score, reasoning)
  return value.object {
    "success", "optimized_params", "expected_score", "reasoning",
    success = success, optimized_params = params, expected_score = score, reasoning = reasoning,
  }
end

local function no(reasoning)
  return answer(false, null, null, reasoning)
end

-- Reading the entries ------------------------------------------------------------------

local score_names = { "composite_score", "score", "quality", "success_rate" }

-- The entries of the last one's strategy that have `params`.
local function of_strategy(entries)
  local last, found = entries[#entries], {}
  if kind(last) ~= "object" then return found end
  for i = 1, #entries do
    local entry = entries[i]
    local usable = kind(entry) == "object" and kind(entry.params) == "object" and json.encode(entry.params)
    if usable and value.equal(entry.strategy or null, last.strategy or null) then found[#found + 1] = entry end
  end
  return found
end

-- The name of the score that most entries have as a number.
local function score_name(entries)
  local best, most
  for _, name in ipairs(score_names) do
    local count = 0
    for _, entry in ipairs(entries) do
      if type(entry[name]) == "number" then count = count + 1 end
    end
    if count > (most or 0) then best, most = name, count end
  end
  return best
end


-- Numbers as a text by which the same parameters are found again.
local function params_key(params)
  local texts = {}
  for i, name in ipairs(params) do texts[i] = name .. "=" .. json.encode(params[name]) end
  table.sort(texts)
  return table.concat(texts, "\0")
end

-- The different parameters that were measured, the oldest first, each with its mean score.
local function samples(entries)
  local used, by_key, found = of_strategy(entries), {}, {}
  local name = score_name(used)
  for _, entry in ipairs(used) do
    local score = name and entry[name]
    if type(score) == "number" then
      local key = params_key(entry.params)
      local sample = by_key[key]
      if not sample then
        sample = { params = entry.params, mean = 0.0, count = 0 }
        by_key[key] = sample
        found[#found + 1] = sample
      end
      sample.count = sample.count + 1
      sample.mean = sample.mean + (score / sample.count - sample.mean / sample.count)
    end
  end
  return found, used
end

local function best_of(list)
  local best = list[1]
  for _, sample in ipairs(list) do
    if sample.mean > best.mean then best = sample end
  end
  return best
end

-- The names of the parameters that are numbers.
local function numeric_names(params)
  local names = {}
  for _, name in ipairs(params) do
    if type(params[name]) == "number" then names[#names + 1] = name end
  end
  return names
end

-- The samples whose other parameters are those of `best`, and whose numbers are numbers.
local function alike(list, best, names)
  local tuned, found = {}, {}
  for _, name in ipairs(names) do tuned[name] = true end
  for _, sample in ipairs(list) do
    local same = #sample.params == #best.params
    for _, name in ipairs(best.params) do
      local given = sample.params[name]
      if tuned[name] then
        same = same and type(given) == "number"
      else
        same = same and given ~= nil and value.equal(given, best.params[name])
      end
    end
    if same then found[#found + 1] = sample end
  end
  return found
end

-- One parameter -----------------------------------------------------------------------

-- The values of a parameter in the samples, in order, each with its best score.
local function profile(list, name)
  local points = {}
  for i, sample in ipairs(list) do points[i] = { x = sample.params[name] + 0.0, y = sample.mean } end
  table.sort(points, function(a, b) return a.x < b.x or a.x == b.x and a.y > b.y end)
  local kept = {}
  for _, point in ipairs(points) do
    local last = kept[#kept]
    if not last or point.x - last.x > 1e-9 * max(abs(point.x), abs(last.x)) then
      kept[#kept + 1] = point
    elseif point.y > last.y then
      last.y = point.y
    end
  end
  return kept
end

local function spread(points)
  return points[#points].x - points[1].x
end

-- The top of the parabola through three points, or nil when it opens upward.
local function vertex(a, b, c)
  local d1, d2 = (b.y - a.y) / (b.x - a.x), (c.y - b.y) / (c.x - b.x)
  local bend = (d2 - d1) / (c.x - a.x)
  if bend >= 0 or bend ~= bend then return nil end
  local x = (a.x + b.x) / 2 - d1 / (2 * bend)
  return x, a.y + (x - a.x) * (d1 + bend * (x - b.x))
end

-- A step beyond the best value, `least` long or longer: away from the worse neighbour.
local function onward(points, best, least)
  local neighbour = points[best - 1] or points[best + 1]
  local direction = (points[best].x > neighbour.x or points[best].y == neighbour.y) and 1 or -1
  return points[best].x + direction * max(spread(points) / 2, abs(points[best].x) * 0.1, least)
end

-- The next value of a parameter of which two or more were tried, and its expected score.
local function tuned(points, least)
  local best = 1
  for i, point in ipairs(points) do
    if point.y > points[best].y then best = i end
  end
  if #points < 3 then return onward(points, best, least) end
  local middle = max(2, min(best, #points - 1))
  local x, y = vertex(points[middle - 1], points[middle], points[middle + 1])
  if not x then
    if best ~= middle then return onward(points, best, least) end
    return points[best].x, points[best].y
  end
  local reach = REACH * spread(points)
  local clipped = max(points[1].x - reach, min(points[#points].x + reach, x))
  return clipped, clipped == x and y or nil
end

-- Whether all tried values of a parameter are whole, and the least of them.
local function manner(list, name)
  local whole, least = true, math.huge
  for _, sample in ipairs(list) do
    local x = sample.params[name]
    whole = whole and tointeger(x) ~= nil
    least = min(least, x)
  end
  return whole, least
end

-- Keeps a parameter that was never negative (or never 0 either) so: a time-out of
-- -3 s helps nobody.
local function in_range(x, least)
  if least > 0 and x <= 0 then return least / 2 end
  if least == 0 and x < 0 then return 0 end
  return x
end

-- The roundings of a number, the nearer one first.
local function roundings(x, least)
  local down = tointeger(floor(x))
  if not down or down == x or down == math.maxinteger then return { down or x } end
  if least > 0 and down <= 0 then return { 1 } end
  return x - down < 0.5 and { down, down + 1 } or { down + 1, down }
end

-- The first step of a parameter: of the size of what other samples tried, or a share of its value.
local function first_step(list, name, current)
  local step = spread(profile(list, name)) / 2
  if step == 0 then step = max(abs(current) * FIRST_STEP, tointeger(current) and 1 or 0.1) end
  return current + step
end

-- Whether a value beyond the range comes back to the lowest that was tried.
local function blocked(x, lowest, whole, least)
  if x >= lowest then return false end
  local kept = in_range(x, least)
  return kept ~= x and (whole and roundings(kept, least)[1] or kept) >= lowest
end

-- One parameter of the best sample tuned, the others as they are.
local function tune_one(list, best, name)
  local others = {}
  for _, sample in ipairs(list) do
    local same = true
    for _, other in ipairs(best.params) do
      same = same and (other == name or value.equal(sample.params[other], best.params[other]))
    end
    if same then others[#others + 1] = sample end
  end
  local points = profile(others, name)
  if #points < 2 then return { [name] = first_step(list, name, best.params[name]) } end
  local whole, least = manner(list, name)
  local x, expected = tuned(points, whole and 1 or 0)
  if blocked(x, points[1].x, whole, least) then return { [name] = (points[1].x + points[2].x) / 2 } end
  return { [name] = x }, expected
end

-- All parameters at once ---------------------------------------------------------------------

-- The parameter with the fewest values tried; in turn when all have as many.
local function least_known(list, names)
  local least, counts = math.huge, {}
  for i, name in ipairs(names) do
    counts[i] = #profile(list, name)
    least = min(least, counts[i])
  end
  local turn = #list % #names
  for i = 1, #names do
    local at = (turn + i - 1) % #names + 1
    if counts[at] == least then return names[at], least end
  end
end

-- The top of a quadratic around the best sample, or nil where the samples show none.
local function tune_all(list, best, names)
  local points, scores = {}, {}
  for i, sample in ipairs(list) do
    local point = {}
    for d, name in ipairs(names) do point[d] = (sample.params[name] + 0.0) - best.params[name] end
    points[i], scores[i] = point, sample.mean
  end
  local top, expected = quadratic.top(points, scores, best.mean, REACH)
  if not top then return nil end
  local proposed = {}
  for d, name in ipairs(names) do proposed[name] = best.params[name] + top[d] end
  return proposed, expected
end

-- From numbers to parameters -------------------------------------------------------------------

-- The parameters of `best` with the proposed numbers. Where whole numbers make them
-- such as were measured already, one of them is rounded the other way; where that
-- helps nothing, the best stay.
local function settled(list, best, proposed, names)
  local params, other = value.copy(best.params), {}
  for _, name in ipairs(names) do
    local x = proposed[name]
    if x then
      if x - x ~= 0 then return best.params, best.mean end
      local whole, least = manner(list, name)
      x = in_range(x, least)
      local choices = whole and roundings(x, least) or { x }
      params[name], other[name] = choices[1], choices[2]
    end
  end
  local measured = {}
  for _, sample in ipairs(list) do measured[params_key(sample.params)] = true end
  if next(other) == nil or not measured[params_key(params)] then return params end
  for _, name in ipairs(names) do
    local before = params[name]
    params[name] = other[name] or before
    if not measured[params_key(params)] then return params end
    params[name] = before
  end
  return best.params, best.mean
end

local function changes(before, after, names)
  local texts = {}
  for _, name in ipairs(names) do
    if before[name] ~= after[name] then
      texts[#texts + 1] = ("%s from %s to %s"):format(name, value.text(before[name]), value.text(after[name]))
    end
  end
  return #texts > 0 and table.concat(texts, ", ") or "no change"
end

-- The next parameters, their expected score, and how they were found. When the top
-- of the quadratic was measured already, single parameters may still lead on.
local function next_params(list, best, names)
  local first, least = least_known(list, names)
  if #names > 1 and #names <= MOST_FITTED and least >= 3 and #list > 2 * #names then
    local proposed, expected = tune_all(list, best, names)
    local params, known = settled(list, best, proposed or {}, names)
    if proposed and not known then return params, expected, "the top of a quadratic" end
  end
  local turn = 1
  while names[turn] ~= first do turn = turn + 1 end
  for i = 0, #names - 1 do
    local name = names[(turn + i - 1) % #names + 1]
    local proposed, expected = tune_one(list, best, name)
    local params, known = settled(list, best, proposed, names)
    if not known then return params, expected, "a step of " .. name end
  end
  return best.params, best.mean, "the best so far, around which nothing is left to try"
end

local function propose(list, best, names)
  list = alike(list, best, names)
  local params, expected, how = next_params(list, best, names)
  if not expected or expected - expected ~= 0 then expected = best.mean end
  return answer(true, value.copy(params), expected, ("%s: %s, from %d different sets of parameters; the best so far scored %s"):format(
    how, changes(best.params, params, names), #list, value.text(best.mean)))
end

--- Answers `optimization:async`: the next parameters to try, or why there are none.
---@param data table   `{current_performance = [{strategy, params, composite_score | score | quality | success_rate}, …], …}`
---@return table   `{success, optimized_params, expected_score, reasoning}`
function M.propose(data)
  local entries = kind(data) == "object" and data.current_performance
  if kind(entries) ~= "array" or #entries == 0 then
    return no "there is nothing to learn from: `current_performance` is an array of measured entries"
  end
  local list, used = samples(entries)
  if #used == 0 then return no "no entry of the strategy in use has `params`" end
  if #list == 0 then return no "no entry of the strategy in use has `params` and a score that is a number" end
  if #list < 2 then return no "one set of parameters was measured, and two different ones are the least" end
  local best = best_of(list)
  local names = numeric_names(best.params)
  if #names == 0 then return no "the entries' `params` hold no number to tune" end
  return propose(list, best, names)
end

return M
