-- The top of a function of several numbers, guessed from some of its values: a
-- quadratic is fitted to the points nearest the origin (where the best value is)
-- by least squares, and its top is found by Cholesky's decomposition. Of several
-- quadratics that fit, the one with the smallest coefficients is taken.

local M = {}

-- Points used, in coefficients; what keeps the equations solvable; the least
-- curvature that counts as a top.
local NEAREST, RIDGE, FLAT = 2, 1e-9, 1e-7

local function zeros(count)
  local list = {}
  for i = 1, count do list[i] = 0.0 end
  return list
end

-- L with A = L L', or nil when A is not positive definite by at least `least`.
local function cholesky(A, least)
  local L = {}
  for i = 1, #A do
    L[i] = zeros(#A)
    for j = 1, i do
      local sum = A[i][j]
      for k = 1, j - 1 do sum = sum - L[i][k] * L[j][k] end
      if i ~= j then
        L[i][j] = sum / L[j][j]
      elseif sum > least then
        L[i][i] = math.sqrt(sum)
      else
        return nil
      end
    end
  end
  return L
end

-- The x with L L' x = b.
local function solve(L, b)
  local x, n = {}, #b
  for i = 1, n do
    local sum = b[i]
    for k = 1, i - 1 do sum = sum - L[i][k] * x[k] end
    x[i] = sum / L[i][i]
  end
  for i = n, 1, -1 do
    local sum = x[i]
    for k = i + 1, n do sum = sum - L[k][i] * x[k] end
    x[i] = sum / L[i][i]
  end
  return x
end

-- 1, each number, each product of two.
local function terms(point)
  local list, count = { 1.0 }, 1 + #point
  for i = 1, #point do
    list[1 + i] = point[i]
    for j = i, #point do
      count = count + 1
      list[count] = point[i] * point[j] * (i == j and 0.5 or 1)
    end
  end
  return list
end

-- The coefficients of the terms by ridge regression.
local function fitted(points, scores)
  local A, b
  for p = 1, #points do
    local row = terms(points[p])
    A, b = A or {}, b or zeros(#row)
    for i = 1, #row do
      A[i] = A[i] or zeros(#row)
      b[i] = b[i] + row[i] * scores[p]
      for j = 1, i do A[i][j] = A[i][j] + row[i] * row[j] end
    end
  end
  for i = 1, #A do A[i][i] = A[i][i] + RIDGE end
  local L = cholesky(A, 0)
  return L and solve(L, b)
end

-- The slope at the origin, and the curvature with its sign turned.
local function slope_and_bend(coefficients, n)
  local slope, bend, at = {}, {}, 1 + n
  for i = 1, n do
    slope[i] = coefficients[1 + i]
    bend[i] = bend[i] or {}
    for j = i, n do
      at = at + 1
      bend[j] = bend[j] or {}
      bend[i][j], bend[j][i] = -coefficients[at], -coefficients[at]
    end
  end
  return slope, bend
end

local function by_scale(points, unit)
  local scaled = {}
  for p, point in ipairs(points) do
    scaled[p] = {}
    for i, x in ipairs(point) do scaled[p][i] = x / unit[i] end
  end
  return scaled
end

-- The greatest distance from the origin, by coordinate.
local function extents(points)
  local unit = zeros(#points[1])
  for _, point in ipairs(points) do
    for i, x in ipairs(point) do unit[i] = math.max(unit[i], math.abs(x)) end
  end
  return unit
end

-- The points nearest the origin with their scores, measured in the spread of all.
local function nearest(points, scores)
  local unit, order = extents(points), {}
  for p, point in ipairs(points) do
    local distance = 0
    for i, x in ipairs(point) do distance = distance + (x / unit[i]) ^ 2 end
    order[p] = { at = p, distance = distance }
  end
  table.sort(order, function(a, b) return a.distance < b.distance or a.distance == b.distance and a.at < b.at end)
  local near, their = {}, {}
  for k = 1, math.min(#order, NEAREST * #terms(points[1])) do near[k], their[k] = points[order[k].at], scores[order[k].at] end
  return near, their
end

-- Scores as shares of their range below the best, and the range.
local function normal(scores, best)
  local range, list = 0, {}
  for _, score in ipairs(scores) do range = math.max(range, best - score) end
  for i, score in ipairs(scores) do list[i] = (score - best) / range end
  return list, range
end

--- The place of the top, and the value expected there. Nil when the points show no
--- top, or none within reach.
---@param points number[][]   distances from the point with the best value
---@param scores number[]
---@param best number         the best of the scores
---@param reach number        how far beyond the points the top may lie, in their extent
---@return number[]? top      a distance from the best
---@return number? expected
function M.top(points, scores, best, reach)
  local near, their = nearest(points, scores)
  local unit = extents(near)
  local shares, range = normal(their, best)
  for i = 1, #unit do
    if not (unit[i] > 0 and unit[i] < math.huge) then return nil end
  end
  if not (range > 0 and range < math.huge) then return nil end
  local coefficients = fitted(by_scale(near, unit), shares)
  if not coefficients then return nil end
  local slope, bend = slope_and_bend(coefficients, #unit)
  local L = cholesky(bend, FLAT)
  if not L then return nil end
  local step, longest = solve(L, slope), 0
  for i = 1, #step do longest = math.max(longest, math.abs(step[i])) end
  local share = math.min(1, (1 + reach) / longest)
  local gain = coefficients[1]
  for i = 1, #step do gain = gain + slope[i] * step[i] * (share - share * share / 2) end
  local top = {}
  for i = 1, #step do top[i] = step[i] * share * unit[i] end
  return top, best + gain * range
end

return M
