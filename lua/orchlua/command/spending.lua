-- Tokens and money as they are shown: to a person in the same words everywhere, and as JSON.

local core = require "orchlua.core"

local value = core.value

local M = {}

-- Sums of prices are not exact: digits that say something.
local DIGITS = "%.12g"

--- A number of tokens in five characters at most: `950`, `12.3k`, `1.5M`.
---@param tokens integer
---@return string
function M.tokens(tokens)
  if tokens < 10000 then return tostring(tokens) end
  local text
  if tokens < 999500 then
    text = tokens < 100000 and ("%.1fk"):format(tokens / 1000) or ("%.0fk"):format(tokens / 1000)
  else
    text = tokens < 99950000 and ("%.1fM"):format(tokens / 1e6) or ("%.0fM"):format(tokens / 1e6)
  end
  return (text:gsub("%.0([kM])$", "%1"))
end

--- A sum of money, in the currency of the configuration's prices.
---@param cost number
---@return string
function M.cost(cost)
  if cost > 0 and cost < 0.01 then return (("%.6f"):format(cost):gsub("0+$", "")) end
  return ("%.2f"):format(cost)
end

local function with_cost(amount)
  local copy = value.copy(amount)
  if math.type(copy.cost) == "float" then copy.cost = tonumber(DIGITS:format(copy.cost)) end
  return copy
end

--- What was spent, as a value to be written out, without the noise of sums.
---@param usage table   an amount, or that of a run, with its `agents`
---@return table
function M.value(usage)
  local shown = with_cost(usage)
  if not shown.agents then return shown end
  shown.agents = value.copy(shown.agents)
  for _, name in ipairs(shown.agents) do shown.agents[name] = with_cost(shown.agents[name]) end
  return shown
end

--- The same of a row of the store, where it says what was spent.
---@param run { usage: string? }
---@return table?
function M.of_row(run) return run.usage and M.value(core.json.decode(run.usage)) or nil end

--- What was spent, on one line.
---@param usage { tokens: integer, input: integer, output: integer, cost: any, calls: integer? }
---@return string
function M.text(usage)
  local text = ("%d tokens (%d in, %d out)"):format(usage.tokens, usage.input, usage.output)
  if type(usage.cost) == "number" and usage.cost > 0 then text = ("%s, cost %s"):format(text, M.cost(usage.cost)) end
  return usage.calls and ("%s, in %d call%s"):format(text, usage.calls, usage.calls == 1 and "" or "s") or text
end

return M
