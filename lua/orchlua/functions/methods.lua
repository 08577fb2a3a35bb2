-- The methods of arrays and strings, by name: `fn(run, self, …)`, with the kinds
-- each works on.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local strings = require "orchlua.functions.strings"

local value = core.value
local null = value.null

local M = {}

local function wrong(name, kinds, self)
  local of = value.kind(self)
  if of == "null" then errors.raise("type", ("this is null, so `.%s()` cannot be called"):format(name)) end
  errors.raise("type", ("`.%s()` works on %s, and this is %s"):format(name, kinds, check.a(of)))
end

-- A method of arrays, or of strings, or of both.
local function method(name, min, max, returns, array_fn, string_fn)
  local kinds = array_fn and string_fn and "an array or a string" or array_fn and "an array" or "a string"
  M[name] = { min = min, max = max, returns = returns, fn = function(run, self, ...)
    if string_fn and type(self) == "string" then return string_fn(run, self, ...) end
    if array_fn and value.kind(self) == "array" then return array_fn(run, self, ...) end
    wrong(name, kinds, self)
  end }
end

local function text(name, v)
  return check.string("." .. name .. "()", v)
end

method("push", 1, math.huge, "number", function(_, list, ...)
  for _, item in ipairs { ... } do list[#list + 1] = item end
  return #list
end)

method("pop", 0, 0, nil, function(_, list)
  if #list == 0 then return null end
  return table.remove(list)
end)

method("shift", 0, 0, nil, function(_, list)
  if #list == 0 then return null end
  return table.remove(list, 1)
end)

method("unshift", 1, math.huge, "number", function(_, list, ...)
  local new = { ... }
  table.move(list, 1, #list, #new + 1)
  table.move(new, 1, #new, 1, list)
  return #list
end)

local function slice(run, self, first, past) return strings.slice(run, ".slice()", self, first, past) end
method("slice", 0, 2, nil, slice, slice)

method("join", 0, 1, "string", function(run, list, separator)
  return strings.join(run, ".join()", list, separator == nil and "," or text("join", separator))
end)

local function position(run, list, x)
  run:charge(#list)
  for i = 1, #list do
    if value.equal(list[i], x) then return i - 1 end
  end
  return -1
end

method("indexOf", 1, 1, "number", position, function(_, s, part)
  local at = s:find(text("indexOf", part), 1, true)
  return at and strings.length(s:sub(1, at - 1)) or -1
end)

method("includes", 1, 1, "boolean", function(run, list, x) return position(run, list, x) >= 0 end, function(_, s, part)
  return s:find(text("includes", part), 1, true) ~= nil
end)

method("split", 1, 1, "array", nil, function(run, s, separator) return strings.split(run, s, text("split", separator)) end)
method("startsWith", 1, 1, "boolean", nil, function(_, s, start) return s:sub(1, #text("startsWith", start)) == start end)
method("endsWith", 1, 1, "boolean", nil, function(_, s, ending) return text("endsWith", ending) == "" or s:sub(-#ending) == ending end)
method("toUpperCase", 0, 0, "string", nil, function(_, s) return strings.upper(s) end)
method("toLowerCase", 0, 0, "string", nil, function(_, s) return strings.lower(s) end)
method("trim", 0, 0, "string", nil, function(_, s) return strings.trim(s) end)
method("replace", 2, 2, "string", nil, function(_, s, old, new) return strings.replace(s, text("replace", old), text("replace", new), false) end)

--- `.length`: elements of an array, code points of a string, an object's own field.
function M.length(v)
  if type(v) == "string" then return strings.length(v) end
  local of = value.kind(v)
  if of == "array" then return #v end
  local own = of == "object" and v.length
  return own == nil and null or own
end

return M
