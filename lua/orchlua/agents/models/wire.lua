-- Requests to model servers as JSON objects, and what is read of their answers: shared
-- by the dialects. Whatever a server sends is looked at with care: any field may be
-- missing, null, or of another kind than its page says.

local core = require "orchlua.core"

local value = core.value

local M = {}

--- An object of keys and values in their order, `object(key, value, key, value, …)`; what is nil is left out.
---@return table
function M.object(...)
  local object = value.object {}
  for i = 1, select("#", ...), 2 do
    local key, v = select(i, ...)
    M.set(object, key, v)
  end
  return object
end

--- Sets a field; nil changes nothing.
function M.set(object, key, v)
  if v == nil then return end
  if object[key] == nil then object[#object + 1] = key end
  object[key] = v
end

--- Adds the fields that the configuration sends as given, in the order of their names: they win.
---@param object table
---@param fields table<string, any>
function M.add(object, fields)
  if not next(fields) then return object end
  local names = {}
  for name in pairs(fields) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do M.set(object, name, fields[name]) end
  return object
end

--- The messages as the wire has them, with a system message first when there is one.
---@param messages { role: string, content: string }[]
---@param system? string
function M.messages(messages, system)
  local list = value.array {}
  if system then list[1] = M.object("role", "system", "content", system) end
  for _, message in ipairs(messages) do list[#list + 1] = M.object("role", message.role, "content", message.content) end
  return list
end

--- What lies at a path of fields and (0-based) indices, or nil.
---@param v any
---@param ... string|integer
function M.at(v, ...)
  for i = 1, select("#", ...) do
    local step, kind = select(i, ...), value.kind(v)
    if kind == "array" and type(step) == "number" then
      v = v[step + 1]
    elseif kind == "object" and type(step) == "string" then
      v = v[step]
    else
      return nil
    end
  end
  if v ~= value.null then return v end
end

--- As `at`, when it is a text.
function M.text_at(v, ...)
  local found = M.at(v, ...)
  return type(found) == "string" and found or nil
end

--- As `at`, when it is a list; else an empty one.
function M.list_at(v, ...)
  local found = M.at(v, ...)
  return value.kind(found) == "array" and found or {}
end

-- More tokens than this are none: sums of what servers say must not overflow.
local MOST_TOKENS = 1e12

--- As `at`, when it is a number of tokens.
function M.count_at(v, ...)
  local found = M.at(v, ...)
  return type(found) == "number" and found >= 0 and found <= MOST_TOKENS and math.tointeger(found) or nil
end

--- Tokens in and out; nil when the server does not say both.
---@param input? integer
---@param output? integer
---@return { input: integer, output: integer }?
function M.usage(input, output)
  if input and output then return { input = input, output = output } end
end

return M
