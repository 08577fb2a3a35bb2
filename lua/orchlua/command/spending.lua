-- Tokens and money as a person reads them: the same words wherever they are shown.

local M = {}

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

--- What was spent, on one line.
---@param usage { tokens: integer, input: integer, output: integer, cost: any, calls: integer? }
---@return string
function M.text(usage)
  local text = ("%d tokens (%d in, %d out)"):format(usage.tokens, usage.input, usage.output)
  if type(usage.cost) == "number" and usage.cost > 0 then text = ("%s, cost %s"):format(text, M.cost(usage.cost)) end
  return usage.calls and ("%s, in %d call%s"):format(text, usage.calls, usage.calls == 1 and "" or "s") or text
end

return M
