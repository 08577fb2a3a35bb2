-- Random expressions of the language, by the kind that is wanted. Kinds are kept most of
-- the time, so that programs get somewhere, and missed now and then, so that they fail. What is
-- put into arrays and objects is bounded by rank, so that no value grows without end.
--
-- num str bool: scalars    arr: an array of scalars    obj: an object of scalars and arrs
-- list: an array of anything    any: whatever

local M = {}

---@class spec.Expressions   needs `chance(p)`, `pick(list)`, `int(a, b)` and a `scope` of `{name, kind}`
local Expressions = {}
Expressions.__index = Expressions
M.Expressions = Expressions

local numbers = {
  "0", "1", "2", "3", "7", "10", "2.5", "0.1", "1.0", "3.0", "1e3", "100", "-1", "-2.5", "0.0", "4611686018427387904", "9223372036854775807",
  "(-9223372036854775808)", "9007199254740993", "1e15", "1e21", "1.5e300", "1e-7", "0.30000000000000004", "123456789.125",
}
local small = { "0", "1", "2", "3", "4", "5", "2.5", "1.0", "-1" }
local words = { "", "a", "b", "ab", "abc", "hello", "a,b,c", "größe", "日本", "x y", "Ab", "1", "0", "true", "null", "é", "\\n", "k1", "k2", "\\\"q\\\"", "  t " }
local keys = { "k1", "k2", "k3", "length", "name" }

-- Names in sight of a kind.
function Expressions:names(kind)
  local found = {}
  for _, name in ipairs(self.scope) do
    if name.kind == kind or kind == "any" then found[#found + 1] = name.name end
  end
  return found
end

function Expressions:name(kind)
  local found = self:names(kind)
  return #found > 0 and self:pick(found) or nil
end

-- Runs `make` with further names in sight.
function Expressions:within(names, make)
  local outer = self.scope
  self.scope = table.move(outer, 1, #outer, 1, {})
  for _, name in ipairs(names) do table.insert(self.scope, name) end
  local made = make()
  self.scope = outer
  return made
end

function Expressions:fresh(prefix)
  self.count = (self.count or 0) + 1
  return prefix .. self.count
end

-- An element expression that gives a kind, behind the comma of its call.
function Expressions:element(kind, depth, item_kind, plain)
  local name = self:fresh "e"
  local shape = plain and 2 or self:int(1, 3)
  if shape == 3 then
    local key = self:fresh "i"
    return ("(%s, %s) => %s"):format(name, key, self:within({ { name = name, kind = item_kind }, { name = key, kind = "num" } },
      function() return self:expression(kind, depth) end))
  end
  local body = self:within({ { name = name, kind = item_kind } }, function() return self:expression(kind, depth) end)
  -- A bare expression whose one unknown name is the element.
  local others = body:gsub("%f[%w]" .. name .. "%f[%W]", "")
  if shape == 1 and not plain and others ~= body and not others:find "%f[%w]e%d" and not body:find "=>" then return body end
  return name .. " => " .. body
end

local makers = { num = {}, str = {}, bool = {}, arr = {}, obj = {}, list = {} }

local function add(kind, template, ...)
  local parts = { ... }
  table.insert(makers[kind], function(self, depth)
    local made = {}
    for i, part in ipairs(parts) do
      if type(part) == "function" then made[i] = part(self, depth) else made[i] = self:expression(part, depth) end
    end
    return (template:gsub("%$(%d)([?.]?)", function(n, dot)
      local part = made[tonumber(n)]
      return dot ~= "" and part:find "^-?%d" and "(" .. part .. ")" .. dot or part .. dot
    end))
  end)
end

local function element(kind, item_kind, plain)
  return function(self, depth) return self:element(kind, depth, item_kind, plain) end
end

local function key(self) return self:pick(keys) end
local function index(self) return self:pick(small) end

-- The right side of a product, a quotient: often a plain number.
local function factor(self, depth) return self:chance(0.6) and self:pick(small) or self:expression("num", depth) end

add("num", "($1 + $2)", "num", "num")
add("num", "($1 + $2)", "num", factor)
add("num", "($1 - $2)", "num", "num")
add("num", "($1 * $2)", "num", factor)
add("num", "($1 / $2)", "num", factor)
add("num", "($1 % $2)", "num", factor)
add("num", "(-$1)", "num")
add("num", "LENGTH($1)", "arr")
add("num", "LENGTH($1)", "str")
add("num", "$1.length", "arr")
add("num", "COUNT($1)", "obj")
add("num", "COUNT($1, $2)", "list", element("bool", "any"))
add("num", "COUNT($1, $2)", "arr", element("bool", "num"))
add("num", "SUM($1)", "arr")
add("num", "SUM($1, $2)", "arr", element("num", "num"))
add("num", "MIN($1, $2)", "num", "num")
add("num", "MAX($1, $2, $3)", "num", "num", "num")
add("num", "(MAX($1) OR 0)", "arr")
add("num", "(AVERAGE($1) OR 1)", "arr")
add("num", "(MEDIAN($1) OR 1)", "arr")
add("num", "(VARIANCE($1) OR 1)", "arr")
add("num", "REDUCE($1, (sum_, x_) => sum_ + x_, $2)", "arr", "num")
add("num", "$1.indexOf($2)", "arr", "num")
add("num", "$1.indexOf($2)", "str", "str")
add("num", "$1[$2]", "arr", index)
add("num", "($1[$2] OR $3)", "arr", index, "num")
add("num", "($1 ? $2 : $3)", "bool", "num", "num")
add("num", "ROUND($1)", "num")
add("num", "FLOOR($1)", "num")
add("num", "CEIL($1)", "num")
add("num", "ABS($1)", "num")
add("num", "$1.$2", "obj", key)

add("str", '"{{$1}}"', "num")
add("str", '"<{{$1}}|{{$2}}>"', "any", "any")
add("str", "SLICE($1 + $2, 0, 40)", "str", "str")
add("str", "SLICE($1 + $2, 0, 40)", "str", "any")
add("str", "$1.slice($2)", "str", index)
add("str", "SLICE($1, $2, $3)", "str", index, index)
add("str", "UPPER($1)", function(self) return self:pick { '"abc"', '"Ab"', '"x y"' } end)
add("str", "TRIM($1)", "str")
add("str", "$1.replace($2, $3)", "str", "str", "str")
add("str", "SLICE(REPLACE($1, $2, $3), 0, 40)", "str", "str", "str")
add("str", "SLICE($1.join($2), 0, 40)", "arr", "str")
add("str", 'SLICE(JOIN($1, ";"), 0, 40)', "list")
add("str", "REVERSE($1)", "str")
add("str", "SLICE(JSON.stringify($1), 0, 60)", "any")
add("str", "$1[$2]", "str", index)
add("str", "($1 ? $2 : $3)", "bool", "str", "str")
add("str", 'FORMAT("{}-{}", $1, $2)', "num", "str")
add("str", "($1?.$2 OR $3)", "obj", key, "str")

add("bool", "($1 < $2)", "num", "num")
add("bool", "($1 >= $2)", "num", "num")
add("bool", "($1 <= $2)", "str", "str")
add("bool", "($1 == $2)", "any", "any")
add("bool", "($1 != $2)", "num", "num")
add("bool", "($1 == $2)", "arr", "arr")
add("bool", "($1 == $2)", "obj", "obj")
add("bool", "(NOT $1)", "any")
add("bool", "!$1", "bool")
add("bool", "($1 AND $2)", "bool", "bool")
add("bool", "($1 OR $2)", "bool", "any")
add("bool", "($1 IN $2)", "num", "arr")
add("bool", "($1 IN $2)", "str", "str")
add("bool", "($1 IN $2)", "str", "obj")
add("bool", "ANY($1, $2)", "arr", element("bool", "num"))
add("bool", "ALL($1, $2)", "list", element("bool", "any"))
add("bool", "$1.includes($2)", "arr", "any")
add("bool", "CONTAINS($1, $2)", "str", "str")
add("bool", "STARTS_WITH($1, $2)", "str", "str")
add("bool", "$1.endsWith($2)", "str", "str")

add("arr", "[$1, $2]", "num", "num")
add("arr", "[$1, $2, $3]", "num", "str", "num")
add("arr", "SLICE($1 + $2, 0, 8)", "arr", "arr")
add("arr", "SLICE($1, $2, $3)", "arr", index, index)
add("arr", "$1.slice($2)", "arr", index)
add("arr", "SORT($1)", "arr")
add("arr", "SORT($1, $2)", "arr", element("num", "num"))
add("arr", "SORT($1, $2 DESC)", "arr", element("num", "num", true))
add("arr", "MAP($1, $2)", "arr", element("num", "num"))
add("arr", "MAP($1, $2)", "list", element("str", "any"))
add("arr", "FILTER($1, $2)", "arr", element("bool", "num"))
add("arr", "UNIQUE($1)", "arr")
add("arr", "REVERSE($1)", "arr")
add("arr", "KEYS($1)", "obj")
add("arr", "RANGE($1, $2)", index, index)
add("arr", "RANGE($1, $2, $3)", index, index, function(self) return self:pick { "-1", "2", "0.5", "-2.5", "0" } end)
add("arr", "SLICE($1.split($2), 0, 8)", "str", function(self) return self:pick { '""', '","', '"a"' } end)
add("arr", "APPEND(SLICE($1, 0, 6), $2)", "arr", "num")
add("arr", "EXTRACT($1, $2)", "arr", element("bool", "num"))

add("obj", "{k1: $1, k2: $2}", "num", "str")
add("obj", "{$1: $2}", key, "num")
add("obj", '{"{{$1}}": $2, k2: $3}', function(self) return self:pick { "1 + 1", '"k1"', "2.0" } end, "num", "arr")
add("obj", "MERGE($1, $2)", "obj", "obj")
add("obj", "FILTER($1, (key_, value_) => $2)", "obj", function(self, depth)
  return self:within({ { name = "key_", kind = "str" }, { name = "value_", kind = "any" } }, function() return self:expression("bool", depth) end)
end)
add("obj", "GROUP_BY($1, $2)", "arr", element("num", "num"))

add("list", "[$1, $2]", "any", "any")
add("list", "[$1, null, $2]", "arr", "obj")
add("list", "VALUES($1)", "obj")
add("list", "ENTRIES($1)", "obj")
add("list", "ZIP($1, $2)", "arr", "arr")
add("list", "FLATTEN($1)", "list")
add("list", "MAP($1, $2)", "arr", element("any", "num"))
add("list", "FILTER($1, $2)", "list", element("bool", "any"))
add("list", "REVERSE($1)", "list")
add("list", "UNIQUE($1)", "list")
add("list", "SORT($1, $2)", "list", element("num", "any"))
add("list", "JSON.parse(JSON.stringify($1))", "list")

local literals = {}
function literals.num(self) return self:pick(self:chance(0.6) and small or numbers) end
function literals.str(self) return '"' .. self:pick(words) .. '"' end
function literals.bool(self) return self:pick { "true", "false" } end
function literals.arr(self) return self:pick { "[]", "[1, 2, 3]", "[3, 1, 2.5]", "[1, 1.0, 2]", '["b", "a"]', "[null, 2, 1]", "[0]" } end
function literals.obj(self) return self:pick { "{}", "{k1: 1, k2: 2}", '{k2: "x", k1: [1]}', "{name: null}", "{length: 3}" } end
function literals.list(self) return self:pick { "[]", "[[1], [2, 3]]", '[{k1: 2}, {k1: 1}]', "[null, 1, \"a\"]" } end

local kinds = { "num", "num", "str", "bool", "arr", "obj", "list" }

--- An expression of a kind.
---@return string
function Expressions:expression(kind, depth)
  if kind == "any" then
    if self:chance(0.1) then return "null" end
    local name = self:chance(0.4) and self:name "any"
    if name then return name end
    kind = self:pick(kinds)
  end
  if self:chance(0.02) then kind = self:pick(kinds) end
  if depth <= 0 or self:chance(0.25) then
    local name = self:chance(0.7) and self:name(kind)
    return name or literals[kind](self)
  end
  return self:pick(makers[kind])(self, depth - 1)
end

return M
