-- Requests to model servers as JSON objects, and what is read of their answers: shared
-- by the dialects. Whatever a server sends is looked at with care: any field may be
-- missing, null, or of another kind than its page says.

local core = require "orchlua.core"
local keys = require "orchlua.keys"

local value = core.value
local Array, Object, null = value.Array, value.Object, value.null
local getmetatable, setmetatable, tointeger, type = getmetatable, setmetatable, math.tointeger, type

local M = {}

--- An object of keys and values in their order, `object(key, value, key, value, …)`; what is nil is left out.
---@return table
function M.object(...)
  local object, given = setmetatable({}, Object), { ... }
  for i = 1, select("#", ...), 2 do M.set(object, given[i], given[i + 1]) end
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
  for _, name in ipairs(keys.sorted(fields)) do M.set(object, name, fields[name]) end
  return object
end

local function message_of(role, content)
  return setmetatable({ "role", "content", role = role, content = content }, Object)
end

--- The messages as the wire has them, with a system message first when there is one.
---@param messages { role: string, content: string }[]
---@param system? string
function M.messages(messages, system)
  local list = value.array {}
  if system then list[1] = message_of("system", system) end
  for _, message in ipairs(messages) do list[#list + 1] = message_of(message.role, message.content) end
  return list
end

--- What lies in a field, and in a field of that, or nil. What is null or false is nothing.
---@param v any
---@param first? string   nil: `v` itself
---@param second? string
local function at(v, first, second)
  if first then v = type(v) == "table" and v[first] or nil end
  if second then v = type(v) == "table" and v[second] or nil end
  if v ~= null then return v end
end
M.at = at

--- What is a text; else nil.
local function text(v)
  if type(v) == "string" then return v end
end
M.text = text

--- As `at`, when it is a text.
function M.text_at(v, first, second) return text(at(v, first, second)) end

--- As `at`, when it is a list, to be read as Lua's lists are; else an empty one.
---@param v any
---@param field? string
function M.list_at(v, field)
  local found = at(v, field)
  return getmetatable(found) == Array and found or {}
end

-- More tokens than this are none: sums of what servers say must not overflow.
local MOST_TOKENS = 1e12

--- What is a number of tokens; else nil.
local function count(v)
  return type(v) == "number" and v >= 0 and v <= MOST_TOKENS and tointeger(v) or nil
end
M.count = count

--- As `at`, when it is a number of tokens.
function M.count_at(v, first, second) return count(at(v, first, second)) end

--- Tokens in and out; nil when the server does not say both.
---@param input? integer
---@param output? integer
---@return { input: integer, output: integer }?
function M.usage(input, output)
  if input and output then return { input = input, output = output } end
end

return M
