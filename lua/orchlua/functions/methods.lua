-- The methods of arrays and strings by name, called as `fn(run, self, …)`, with
-- how many arguments each takes and the kinds it works on.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local cost = require "orchlua.functions.cost"
local errors = require "orchlua.error"
local identity = require "orchlua.functions.identity"
local strings = require "orchlua.functions.strings"

local value = core.value
local kind, null = value.kind, value.null

local M = {}

---@class orchlua.Method
---@field fn fun(run: table, self: any, ...): any
---@field min integer
---@field max number
---@field kinds table<string, true>
---@field returns? string

local function wrong(name, kinds, self)
  if self == null then errors.raise("type", ("this is null, so `.%s()` cannot be called"):format(name)) end
  errors.raise("type", ("`.%s()` works on %s, and this is %s"):format(name, kinds, check.a(kind(self))))
end

-- A method of arrays, of strings, or of both.
local function method(name, min, max, returns, array_fn, string_fn)
  local kinds = array_fn and string_fn and "an array or a string" or array_fn and "an array" or "a string"
  M[name] = {
    min = min, max = max, returns = returns, kinds = { array = array_fn and true, string = string_fn and true },
    fn = function(run, self, ...)
      if string_fn and type(self) == "string" then return string_fn(run, self, ...) end
      if array_fn and kind(self) == "array" then return array_fn(run, self, ...) end
      wrong(name, kinds, self)
    end,
  }
end

local function text(name, v)
  return check.string("." .. name .. "()", v)
end

-- Arrays: changing them ---------------------------------------------------------------

-- `.push(x, …)`: adds behind the last; gives the new length.
method("push", 1, math.huge, "number", function(_, list, ...)
  local added, count = select("#", ...), #list
  check.elements_limit(".push()", count + added)
  for i = 1, added do list[count + i] = (select(i, ...)) end
  return count + added
end)

-- `.pop()`: takes the last off and gives it; null when there is none.
method("pop", 0, 0, nil, function(_, list)
  if #list == 0 then return null end
  return table.remove(list)
end)

-- `.shift()`: takes the first off and gives it; null when there is none.
method("shift", 0, 0, nil, function(run, list)
  if #list == 0 then return null end
  cost.moved(run, #list)
  return table.remove(list, 1)
end)

-- `.unshift(x, …)`: adds in front of the first; gives the new length.
method("unshift", 1, math.huge, "number", function(run, list, ...)
  local added, count = { ... }, #list
  cost.moved(run, count)
  check.elements_limit(".unshift()", count + #added)
  table.move(list, 1, count, #added + 1)
  table.move(added, 1, #added, 1, list)
  return count + #added
end)

-- Arrays and strings: parts and places ---------------------------------------------------

-- `.slice([first[, past]])`: negative positions count from the end.
local function slice(run, self, first, past) return strings.slice(run, ".slice()", self, first, past) end
method("slice", 0, 2, nil, slice, slice)

-- `.indexOf(x)`: the position of the first equal element, or of the text; -1 for none.
method("indexOf", 1, 1, "number", function(run, list, x)
  return (identity.position(run, ".indexOf()", list, x) or 0) - 1
end, function(run, s, part)
  local at = strings.position(run, s, text("indexOf", part))
  return at and strings.length(run, s:sub(1, at - 1)) or -1
end)

-- `.includes(x)`: whether an element equals x; whether the text occurs.
method("includes", 1, 1, "boolean", function(run, list, x)
  return identity.position(run, ".includes()", list, x) ~= nil
end, function(run, s, part)
  return strings.position(run, s, text("includes", part)) ~= nil
end)

-- `.join([separator])`: the elements' texts in one string; "," between by default.
method("join", 0, 1, "string", function(run, list, separator)
  return strings.join(run, ".join()", list, separator == nil and "," or text("join", separator))
end)

-- Strings ---------------------------------------------------------------------------------

method("split", 1, 1, "array", nil, function(run, s, separator) return strings.split(run, ".split()", s, text("split", separator)) end)
method("startsWith", 1, 1, "boolean", nil, function(run, s, start) return strings.starts_with(run, s, text("startsWith", start)) end)
method("endsWith", 1, 1, "boolean", nil, function(run, s, ending) return strings.ends_with(run, s, text("endsWith", ending)) end)
method("toUpperCase", 0, 0, "string", nil, function(run, s) return strings.upper(run, s) end)
method("toLowerCase", 0, 0, "string", nil, function(run, s) return strings.lower(run, s) end)
method("trim", 0, 0, "string", nil, function(run, s) return strings.trim(run, s) end)

-- `.replace(old, new)`: the first `old`, as plain text.
method("replace", 2, 2, "string", nil, function(run, s, old, new)
  return strings.replace_first(run, ".replace()", s, text("replace", old), text("replace", new))
end)

--- `.length`: elements of an array, code points of a string, an object's own field, or null.
function M.length(run, v)
  if type(v) == "string" then return strings.length(run, v) end
  local of = kind(v)
  if of == "array" then return #v end
  if of ~= "object" or v.length == nil then return null end
  return v.length
end

return M
