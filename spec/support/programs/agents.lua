-- The agents of random programs: what they answer goes by the prompt alone. Given in two
-- forms, for the interpreter and for a configuration.

local core = require "orchlua.core"

local M = {}

local answers = {
  echo = { 0.5, function(prompt) return prompt end },
  json = { 1.25, function(prompt) return ('{"n":%d,"text":%s,"output":null}'):format(#prompt, core.json.encode(prompt)) end },
  list = { 0.75, function(prompt) return ("[%d,2.0,\"é\"]"):format(#prompt) end },
  broken = { 0.625, function() return nil, { type = "agent", message = "out of order" } end },
  odd = { 0.875, function(prompt)
    if #prompt % 2 == 1 then return nil, { type = "odd", message = "an odd prompt" } end
    return "even"
  end },
}

--- Agents as the interpreter takes them.
function M.plain()
  local made = {}
  for name, agent in pairs(answers) do made[name] = { latency = agent[1], answer = agent[2] } end
  return made
end

--- Agents as a configuration has them; `asked(request)` is called with each request.
---@param latency boolean   whether they take their time
---@param asked? fun(request: table)
function M.configured(latency, asked)
  local made = {}
  for name, agent in pairs(answers) do
    made[name] = { latency = latency and agent[1] or nil, concurrency = 1000, lua = function(request)
      if asked then asked(request) end
      local text, err = agent[2](request.prompt)
      if err then error({ type = err.type, message = err.message }, 0) end
      return text
    end }
  end
  return made
end

return M
