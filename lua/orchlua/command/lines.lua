-- Progress as plain lines on standard error, for pipes and logs: one line for
-- each thing worth telling.

local core = require "orchlua.core"
local spending = require "orchlua.command.spending"
local terminal = require "orchlua.command.terminal"

local value = core.value

local M = {}

local WIDTH = 100

local function brief(v)
  return terminal.shorten(terminal.clean(value.text(v)), 60)
end

-- The fields of an object as `name value, name value`.
local function fields(object, left_out)
  local list = {}
  for _, name in ipairs(object) do
    if not left_out[name] then list[#list + 1] = ("%s %s"):format(terminal.clean(name), brief(object[name])) end
  end
  return table.concat(list, ", ")
end

local function percent(object)
  local n = value.kind(object) == "object" and object.progress_percent
  if type(n) ~= "number" then return nil end
  return math.max(0, math.min(100, n))
end
M.percent = percent

local function properties(data)
  return value.kind(data) == "object" and data.properties or data
end

local told = {}

told["run:started"] = function(record) return ("▶ %s"):format(terminal.clean(record.program)) end
told["run:resumed"] = function(record) return ("▶ %s, resumed"):format(terminal.clean(record.program)) end
told.phase = function(record) return ("§ %s"):format(terminal.clean(record.text)) end
told.track = function(record)
  return ("· %s"):format(value.kind(record.data) == "object" and fields(record.data, {}) or brief(record.data))
end
told.warning = function(record) return ("! %s"):format(terminal.clean(record.message)) end
told["completion:async"] = function(record) return ("→ %s"):format(terminal.clean(record.agent_id)) end
told.reply = function(record)
  if record.success then
    local tokens = record.usage and ("  %s tokens"):format(spending.tokens(record.usage.tokens)) or ""
    return ("← %s  %s%s"):format(terminal.clean(record.agent_id), terminal.seconds(record.duration or 0), tokens)
  end
  local err = value.kind(record.data) == "object" and record.data.error
  return ("✗ %s  %s"):format(terminal.clean(record.agent_id), err and terminal.clean(err.message) or "failed")
end

local function status(record)
  if value.kind(record.data) ~= "object" then return nil end
  local done, others = percent(record.data), fields(record.data, { progress_percent = true })
  if not done then return "· " .. others end
  return ("· %d %%%s"):format(math.floor(done + 0.5), others ~= "" and "  " .. others or "")
end
told["agent:status"], told["agent:progress"], told["agent:result"] = status, status, status

told["state:entity:update"] = function(record)
  local done = percent(properties(record.data))
  if not done then return nil end
  return ("· %s %d %%"):format(terminal.clean(value.text(record.data.id)), math.floor(done + 0.5))
end

local function ended(record)
  local spent = record.usage and record.usage.tokens > 0 and ", " .. spending.text(record.usage) or ""
  return ("%s %s in %s%s"):format(record.type == "run:completed" and "✓" or "■", record.type:match ":(.*)$", terminal.seconds(record.duration or 0), spent)
end
told["run:completed"], told["run:failed"], told["run:cancelled"] = ended, ended, ended

--- What a record says to a person, on one line; nil for what is not told.
---@param record table
---@return string?
function M.text(record)
  local tell = told[record.type]
  local text = tell and tell(record)
  if not text then return nil end
  if record.branch then text = ("%s  [%s]"):format(text, terminal.clean(record.branch)) end
  return terminal.shorten(text, WIDTH)
end

--- A view that writes lines to a stream.
---@param stream file*
function M.new(stream)
  local view = { attach = function() end, close = function() end }
  function view.record(record)
    local text = M.text(record)
    if text then stream:write(text, "\n") end
  end
  function view.call(what, call, err)
    if what ~= "retry" then return end
    stream:write(("↻ %s  try %d failed: %s\n"):format(terminal.clean(call.request.agent_id), call.attempt,
      terminal.shorten(terminal.clean(err.message), 60)))
  end
  function view.stopping(name)
    stream:write(("stopping on SIG%s; once more to stop at once\n"):format(name))
  end
  return view
end

return M
