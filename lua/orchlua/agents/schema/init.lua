-- JSON schemas (draft 2020-12) over values of the language: whether a value fits one, and,
-- in `keywords`, whether a schema is one that can be checked here. There is no validator for Lua or C
-- among Debian's packages. What cannot be checked is refused, never passed over;
-- docs/models.md has the list.

local a = require("orchlua.functions.check").a
local core = require "orchlua.core"
local resolve = require("orchlua.agents.schema.reference").resolve
local shown = require("orchlua.agents.schema.words").shown

local json, value = core.json, core.value
local kind = value.kind

local M = {}

local MOST_PROBLEMS = 5
-- Schemas applied to values in one check: one that needs more could take for ever.
local MOST_STEPS = 1000000

-- Words ------------------------------------------------------------------------------------

local function type_of(v)
  local of = kind(v)
  if of == "number" and (math.type(v) == "integer" or v % 1 == 0) then return "integer" end
  return of
end

local function is_type(v, wanted)
  local of = type_of(v)
  return of == wanted or of == "integer" and wanted == "number"
end

-- "a string ("high")", "null", "an object"
local function described(v)
  local of = kind(v)
  if of == "null" then return "null" end
  if of == "array" or of == "object" then return a(of) end
  return ("%s (%s)"):format(a(of), shown(v))
end

local function list_of(items)
  local texts = {}
  for i, item in ipairs(items) do texts[i] = shown(item) end
  return table.concat(texts, ", ")
end

-- Checking a value ---------------------------------------------------------------------------

---@class orchlua.SchemaCheck
local Check = {}
Check.__index = Check

local function new_check(root, steps) return setmetatable({ root = root, steps = steps, count = 0, problems = {} }, Check) end

local function where(path) return path == "" and "the reply" or ("`%s`"):format(path) end

function Check:add(path, text, ...)
  self.count = self.count + 1
  if self.count <= MOST_PROBLEMS then self.problems[self.count] = where(path) .. " " .. text:format(...) end
end

-- Whether a value fits a schema, without words.
function Check:fits(schema, v, path)
  local inner = new_check(self.root, self.steps)
  inner:value(schema, v, path)
  return inner.count == 0
end

local function below(path, key)
  if type(key) == "number" then return ("%s[%d]"):format(path, key - 1) end
  if not key:find "^[%a_][%w_]*$" then return ("%s[%s]"):format(path, json.encode(key)) end
  return path == "" and key or path .. "." .. key
end

-- By keyword: `assertions[keyword](check, argument, v, path, schema)`. Most are about one kind
-- of value, and say nothing of others.
local assertions = {}

function assertions.type(check, wanted, v, path)
  local types = type(wanted) == "string" and { wanted } or wanted
  for _, one in ipairs(types) do
    if is_type(v, one) then return end
  end
  local words = {}
  for i, one in ipairs(types) do words[i] = one == "null" and one or a(one) end
  check:add(path, "is %s, and should be %s", described(v), table.concat(words, " or "))
end

function assertions.enum(check, allowed, v, path)
  for _, one in ipairs(allowed) do
    if value.equal(one, v) then return end
  end
  check:add(path, "is %s, and should be one of %s", described(v), list_of(allowed))
end

function assertions.const(check, only, v, path)
  if not value.equal(only, v) then check:add(path, "is %s, and should be %s", described(v), shown(only)) end
end

assertions["$ref"] = function(check, reference, v, path)
  check:value(resolve(check.root, reference), v, path)
end

local function about(wanted, keywords)
  for keyword, assertion in pairs(keywords) do
    assertions[keyword] = function(check, argument, v, path, schema)
      if kind(v) == wanted then assertion(check, argument, v, path, schema) end
    end
  end
end

local function is_multiple(v, of)
  if math.type(v) == "integer" and math.type(of) == "integer" then return v % of == 0 end
  local quotient = v / of
  return math.abs(quotient - math.floor(quotient + 0.5)) <= math.min(0.01, 1e-9 * math.max(1, math.abs(quotient)))
end

about("number", {
  minimum = function(check, least, v, path) if v < least then check:add(path, "is %s, and should be %s or more", shown(v), shown(least)) end end,
  maximum = function(check, most, v, path) if v > most then check:add(path, "is %s, and should be %s or less", shown(v), shown(most)) end end,
  exclusiveMinimum = function(check, least, v, path) if v <= least then check:add(path, "is %s, and should be more than %s", shown(v), shown(least)) end end,
  exclusiveMaximum = function(check, most, v, path) if v >= most then check:add(path, "is %s, and should be less than %s", shown(v), shown(most)) end end,
  multipleOf = function(check, of, v, path)
    if not is_multiple(v, of) then check:add(path, "is %s, and should be a multiple of %s", shown(v), shown(of)) end
  end,
})

local function length(text) return utf8.len(text) or #text end

about("string", {
  minLength = function(check, least, v, path)
    if length(v) < least then check:add(path, "has %d characters, and should have %s at least", length(v), shown(least)) end
  end,
  maxLength = function(check, most, v, path)
    if length(v) > most then check:add(path, "has %d characters, and should have %s at most", length(v), shown(most)) end
  end,
})

-- A text that is the same for equal values, and for no others: JSON with its keys in order.
local function canonical(v)
  local of = kind(v)
  if of ~= "array" and of ~= "object" then return json.encode(v) end
  local parts = {}
  for i = 1, #v do parts[i] = of == "array" and canonical(v[i]) or json.encode(v[i]) .. ":" .. canonical(v[v[i]]) end
  if of == "array" then return "[" .. table.concat(parts, ",") .. "]" end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

-- The first pair of equal items.
local function equal_items(items)
  local seen = {}
  for i = 1, #items do
    local text = canonical(items[i])
    if seen[text] then return seen[text], i end
    seen[text] = i
  end
end

local function count_fitting(check, schema, items, path)
  local count = 0
  for i = 1, #items do
    if check:fits(schema, items[i], below(path, i)) then count = count + 1 end
  end
  return count
end

about("array", {
  minItems = function(check, least, v, path) if #v < least then check:add(path, "has %d items, and should have %s at least", #v, shown(least)) end end,
  maxItems = function(check, most, v, path) if #v > most then check:add(path, "has %d items, and should have %s at most", #v, shown(most)) end end,
  uniqueItems = function(check, wanted, v, path)
    local first, second = nil, nil
    if wanted then first, second = equal_items(v) end
    if first then check:add(path, "has the same item twice, at %d and %d", first - 1, second - 1) end
  end,
  prefixItems = function(check, schemas, v, path)
    for i = 1, math.min(#schemas, #v) do check:value(schemas[i], v[i], below(path, i)) end
  end,
  items = function(check, schema, v, path, whole)
    for i = #(whole.prefixItems or {}) + 1, #v do check:value(schema, v[i], below(path, i)) end
  end,
  contains = function(check, schema, v, path, whole)
    local count, least, most = count_fitting(check, schema, v, path), whole.minContains or 1, whole.maxContains
    if count < least then check:add(path, "has %d items of the kind that it should have %s of at least", count, shown(least)) end
    if most and count > most then check:add(path, "has %d items of the kind that it should have %s of at most", count, shown(most)) end
  end,
})

local function of_properties(whole, name)
  return whole.properties and whole.properties[name] ~= nil
end

about("object", {
  minProperties = function(check, least, v, path) if #v < least then check:add(path, "has %d fields, and should have %s at least", #v, shown(least)) end end,
  maxProperties = function(check, most, v, path) if #v > most then check:add(path, "has %d fields, and should have %s at most", #v, shown(most)) end end,
  required = function(check, names, v, path)
    for _, name in ipairs(names) do
      if v[name] == nil then check:add(path, "should have the field `%s`", name) end
    end
  end,
  properties = function(check, schemas, v, path)
    for _, name in ipairs(schemas) do
      if v[name] ~= nil then check:value(schemas[name], v[name], below(path, name)) end
    end
  end,
  additionalProperties = function(check, schema, v, path, whole)
    for _, name in ipairs(v) do
      if not of_properties(whole, name) then
        if schema == false then check:add(path, "should not have the field `%s`", name) else check:value(schema, v[name], below(path, name)) end
      end
    end
  end,
  propertyNames = function(check, schema, v, path)
    for _, name in ipairs(v) do
      if not check:fits(schema, name, path) then check:add(path, "should not have a field of the name `%s`", name) end
    end
  end,
  dependentRequired = function(check, names_of, v, path)
    for _, name in ipairs(names_of) do
      if v[name] ~= nil then assertions.required(check, names_of[name], v, path) end
    end
  end,
  dependentSchemas = function(check, schemas, v, path)
    for _, name in ipairs(schemas) do
      if v[name] ~= nil then check:value(schemas[name], v, path) end
    end
  end,
})

function assertions.allOf(check, schemas, v, path)
  for _, schema in ipairs(schemas) do check:value(schema, v, path) end
end

function assertions.anyOf(check, schemas, v, path)
  for _, schema in ipairs(schemas) do
    if check:fits(schema, v, path) then return end
  end
  check:add(path, "is %s, and fits none of the %d shapes that it may have", described(v), #schemas)
end

function assertions.oneOf(check, schemas, v, path)
  local count = 0
  for _, schema in ipairs(schemas) do
    if check:fits(schema, v, path) then count = count + 1 end
  end
  if count ~= 1 then check:add(path, "is %s, and fits %d of the %d shapes of which it should have one", described(v), count, #schemas) end
end

assertions["not"] = function(check, schema, v, path)
  if check:fits(schema, v, path) then check:add(path, "is %s, which is what it should not be", described(v)) end
end

assertions["if"] = function(check, schema, v, path, whole)
  local branch = whole[check:fits(schema, v, path) and "then" or "else"]
  if branch ~= nil then check:value(branch, v, path) end
end

--- Checks a value under a schema; what is wrong is added.
function Check:value(schema, v, path)
  if schema == true then return end
  if schema == false then return self:add(path, "should not be there") end
  self.steps.left = self.steps.left - 1
  if self.steps.left < 0 then error(self.steps, 0) end
  for i = 1, #schema do
    local keyword = schema[i]
    local assertion = assertions[keyword]
    if assertion then assertion(self, schema[keyword], v, path, schema) end
  end
end

--- Whether a value fits a schema that has no `problem`.
---@param schema any
---@param v any
---@return string? message   nil when it fits; else what is wrong and where, for a person or a model
function M.check(schema, v)
  local steps = { left = MOST_STEPS }
  local check = new_check(schema, steps)
  local ok, raised = pcall(check.value, check, schema, v, "")
  if not ok and raised == steps then return "the reply takes too long to check against its schema" end
  if not ok then error(raised, 0) end
  if check.count == 0 then return nil end
  local text = table.concat(check.problems, "; ")
  return check.count > MOST_PROBLEMS and ("%s; and %d more"):format(text, check.count - MOST_PROBLEMS) or text
end

for name, fn in pairs(require "orchlua.agents.schema.keywords") do M[name] = fn end

return M
