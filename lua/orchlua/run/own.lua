-- What every run has in common with all others until it has something of its own there: lists in which nothing is, and
-- a usage of nothing. They are read like any other and cannot be written: `own` gives a run its own first. A run that only
-- waits has few of its own, and so is small.

local SHARED = {
  outages = {}, allowed = {}, actions = {}, requests = {}, flows = {}, players = {}, waiters = {}, timers = {}, terms = {}, memories = {},
  unknown_events = {}, usage = { requests = 0, calls = 0 },
}

local function refuse(_, key)
  error(("`%s` would be written into what all runs share: `own` gives the run its own"):format(tostring(key)), 2)
end

local M = { shared = {} }

for name, fields in pairs(SHARED) do M.shared[name] = setmetatable({}, { __index = fields, __newindex = refuse }) end

local shared = M.shared

--- What a run has under a name, to write into. Where every step comes by, the caller looks first whether it is `shared`.
---@param run orchlua.Run
---@param name string
---@return table
function M.own(run, name)
  local list = run[name]
  if list ~= shared[name] then return list end
  list = {}
  for key, field in pairs(SHARED[name]) do list[key] = field end
  run[name] = list
  return list
end

return M
