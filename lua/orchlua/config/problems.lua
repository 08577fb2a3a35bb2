-- What is wrong with a configuration: each problem with the path of its place, all of them told as one error.

local errors = require "orchlua.error"
local fields = require "orchlua.config.fields"
local keys = require "orchlua.keys"
local nearest = require "orchlua.nearest"

local M = {}

--- Where a key is of what lies at a path: `agents.cleaner.timeout`, `agents["worker_*"].exec[2]`.
function M.join(path, key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" then return path == "" and key or path .. "." .. key end
  if type(key) == "string" then return ("%s[%q]"):format(path, key) end
  return ("%s[%s]"):format(path, tostring(key))
end

--- A value in few words.
function M.shown(value)
  if type(value) == "string" then
    return ('"%s"'):format(#value > 60 and value:sub(1, 57) .. "…" or value)
  elseif type(value) == "table" or type(value) == "function" or type(value) == "userdata" or type(value) == "thread" then
    return "a " .. type(value)
  end
  return tostring(value)
end

local function element_of(value, key)
  if key ~= nil and type(value) == "table" then return value[key] end
  return value
end

---@class orchlua.Config.Problems   texts, in the order in which they were found
local Problems = {}
Problems.__index = Problems

--- No problems yet.
---@return orchlua.Config.Problems
function M.new() return setmetatable({}, Problems) end

--- Notes what is wrong at a path.
function Problems:add(path, message)
  self[#self + 1] = path == "" and message or path .. ": " .. message
end

--- Notes what was expected there, and what was found.
function Problems:expected(path, expected, value)
  self:add(path, ("expected %s, got %s"):format(expected, M.shown(value)))
end

--- Notes a field that there is not.
function Problems:unknown(path, key, known)
  local hint = type(key) == "string" and nearest.hint(key, keys.sorted(known))
  self:add(M.join(path, key), "unknown field" .. (hint and "; " .. hint or ""))
end

--- One value under one checker; its normal form, or nil when that was reported.
function Problems:value(path, value, checker)
  local normal, expected, key = checker(value)
  if normal == nil then
    self:expected(key ~= nil and M.join(path, key) or path, expected, element_of(value, key))
  end
  return normal
end

--- The fields of a table, each under its checker in `schema`.
function Problems:fields(path, given, schema)
  local normal = {}
  for _, key in ipairs(keys.sorted(given)) do
    local checker = schema[key]
    if checker then
      normal[key] = self:value(M.join(path, key), given[key], checker)
    else
      self:unknown(path, key, schema)
    end
  end
  return normal
end

--- All problems as one error: a line of the message each, and a list.
function Problems:error(file)
  return errors.new("config", table.concat(self, "\n"), { file = file, problems = { table.unpack(self) } })
end

--- Calls `check(path, name, value)` for every entry of a table of named things;
--- one that has problems is known, as false.
function Problems:named(path, given, check)
  local normal = {}
  if given == nil then return normal end
  if type(given) ~= "table" then
    self:expected(path, "a table", given)
    return normal
  end
  for _, name in ipairs(keys.sorted(given)) do
    if fields.name(name) then
      normal[name] = check(M.join(path, name), name, given[name]) or false
    else
      self:expected(path, "names as keys", name)
    end
  end
  return normal
end

return M
