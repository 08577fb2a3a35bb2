-- What `make bench` tells: a line of a table for each figure as it is measured, and all of
-- them as JSON in the end. A figure stands beside its floor, or the same work done
-- plainly, measured in the same run; where there is a goal, it says whether it is met.

local core = require "orchlua.core"

local json, value = core.json, core.value

local M = {}

---@class bench.Figure
---@field name string
---@field value number
---@field unit string
---@field beside? string      what it stands beside
---@field floor? number       and what that took, in the same unit
---@field least? number       the goal: at least so much
---@field most? number        or at most
---@field goal? string        what the goal is of, when it is not the value: "ratio"
---@field ratio? number       to what it stands beside

local Report = {}
Report.__index = Report

--- Makes a report.
---@param path string   where the JSON goes
function M.new(path) return setmetatable({ path = path, list = {}, section_name = nil }, Report) end

--- 1234567 as 1,234,567; small numbers with digits behind the point.
---@param n number
---@return string
function M.shown(n)
  if n < 10 then return ("%.2f"):format(n) end
  if n < 100 then return ("%.1f"):format(n) end
  return (("%.0f"):format(n):reverse():gsub("%d%d%d", "%0,"):reverse():gsub("^,", ""))
end
local shown = M.shown

--- Begins a group of figures.
function Report:section(name)
  self.section_name = name
  print(("\n%s\n%-54s %20s   %-40s %s"):format(name, "", "orchlua", "beside it", "goal"))
end

local function is_met(figure)
  local measured = figure.goal == "ratio" and figure.ratio or figure.value
  if figure.least then return measured >= figure.least end
  if figure.most then return measured <= figure.most end
end

--- A figure's goal, and whether it is met.
---@param figure bench.Figure
---@return string
function M.goal_text(figure)
  local met = is_met(figure)
  if met == nil then return "" end
  local bound = figure.least and "≥ " .. shown(figure.least) or "≤ " .. shown(figure.most)
  return ("%s%s%s"):format(figure.goal == "ratio" and "× " or "", bound, met and "  met" or "  not met")
end

--- What a figure stands beside.
---@param figure bench.Figure
---@return string
function M.beside_text(figure)
  if not figure.beside then return "" end
  local text = figure.floor and ("%s: %s"):format(figure.beside, shown(figure.floor)) or figure.beside
  return figure.ratio and ("%s (× %.2f)"):format(text, figure.ratio) or text
end

--- Adds a figure.
---@param figure bench.Figure
function Report:add(figure)
  if figure.floor and not figure.ratio then figure.ratio = figure.value / figure.floor end
  figure.section, figure.met = self.section_name, is_met(figure)
  self.list[#self.list + 1] = figure
  print(("%-54s %20s   %-40s %s"):format(figure.name, shown(figure.value) .. " " .. figure.unit, M.beside_text(figure), M.goal_text(figure)))
  io.stdout:flush()
end

local FIELDS = { "section", "name", "value", "unit", "beside", "floor", "ratio", "least", "most", "goal", "met" }

--- Writes all figures as JSON.
function Report:finish()
  local list = value.array {}
  for i, figure in ipairs(self.list) do
    local entry = value.object {}
    for _, field in ipairs(FIELDS) do
      if figure[field] ~= nil then entry[#entry + 1], entry[field] = field, figure[field] end
    end
    list[i] = entry
  end
  local file = assert(io.open(self.path, "w"))
  file:write(json.encode(list, 2), "\n")
  file:close()
  print(("\nas JSON: %s"):format(self.path))
end

return M
