-- The events that are built in, and the fields that the data of statements and of these
-- events may have. A field that nobody reads was meant to be another, and what it holds
-- would be lost: it is an error, of the compiler where the source shows it, else of the run.

local keys = require "orchlua.keys"
local nearest = require "orchlua.nearest"

local M = {}

--- The names of the events that are built in. `pattern:NAME` is, too, for every pattern.
M.events = {}
for name in ([[
  completion:async agent:status agent:progress agent:result optimization:async orchestration:run orchestration:request_termination
  state:entity:create state:entity:update state:entity:get state:entity:query state:entity:delete]]):gmatch "%S+" do
  M.events[name] = true
end

--- Those that a configuration may answer in its own way.
M.replaceable = { ["optimization:async"] = true }

-- What the runtime reads in the data of an event, whatever answers it.
local OF_REQUESTS = { "timeout", "try_timeout", "retries", "on_error", "task_id", "idempotency_key", "at_most_once" }

-- The fields of each that may have no others.
local FIELDS = {
  PERSIST = { "key", "data" }, AWAIT = { "from", "timeout" },
  ["state:entity:create"] = { "type", "id", "properties" }, ["state:entity:update"] = { "type", "id", "properties" },
  ["state:entity:replace"] = { "type", "id", "properties" }, ["state:entity:get"] = { "type", "id" },
  ["state:entity:query"] = { "type", "where" }, ["state:entity:delete"] = { "type", "id" },
  ["orchestration:run"] = { "file", "input", "budget" },
}

-- What a field is called elsewhere, and here.
local ELSEWHERE = { properties = { "data", "where" }, data = { "properties", "input" }, key = { "id" }, id = { "key" }, where = { "properties" } }

local known = {}
for name, fields in pairs(FIELDS) do
  known[name] = {}
  for _, field in ipairs(fields) do known[name][field] = true end
  for _, field in ipairs(name:find(":", 1, true) and OF_REQUESTS or {}) do known[name][field] = true end
end

local function hint(name, field)
  local near = nearest.hint(field, keys.sorted(known[name]))
  if near then return near end
  for _, other in ipairs(ELSEWHERE[field] or {}) do
    if known[name][other] then return ("did you mean `%s`?"):format(other) end
  end
  return "it has " .. table.concat(FIELDS[name], ", ")
end

--- What is wrong with a field; nil when it may be there.
---@param name string    an event, or the keyword of a statement
---@param field string
---@return string? message, string? hint
function M.unknown_field(name, field)
  local fields = known[name]
  if not fields or fields[field] then return nil end
  return ("%s has no field `%s`"):format(name, field), hint(name, field)
end

return M
