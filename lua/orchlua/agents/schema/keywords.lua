-- Looking at a schema: whether all of it can be checked here, and whether a server can hold its answer to it.

local core = require "orchlua.core"
local keys = require "orchlua.keys"
local nearest = require "orchlua.nearest"
local resolve = require("orchlua.agents.schema.reference").resolve
local shown = require("orchlua.agents.schema.words").shown

local kind = core.value.kind

local M = {}

local MOST_DEPTH = 100

local TYPES = { null = true, boolean = true, object = true, array = true, number = true, string = true, integer = true }

-- What the argument of a keyword may be: nil, or what was expected.
local function is_schema(argument)
  if type(argument) ~= "boolean" and kind(argument) ~= "object" then return "an object, true or false" end
end

local function is_number(argument)
  if type(argument) ~= "number" then return "a number" end
end

local function is_above_0(argument)
  if type(argument) ~= "number" or argument <= 0 then return "a number above 0" end
end

local function is_count(argument)
  if type(argument) ~= "number" or argument < 0 or argument % 1 ~= 0 then return "a whole number from 0" end
end

local function is_boolean(argument)
  if type(argument) ~= "boolean" then return "true or false" end
end

local function is_list(argument)
  if kind(argument) ~= "array" then return "a list" end
end

local function is_names(argument)
  if kind(argument) ~= "array" then return "a list of names" end
  for _, name in ipairs(argument) do
    if type(name) ~= "string" then return "a list of names" end
  end
end

local function is_schemas(argument)
  if kind(argument) ~= "array" or #argument == 0 then return "a list of schemas" end
  for _, schema in ipairs(argument) do
    if is_schema(schema) then return "a list of schemas" end
  end
end

local function is_map(of)
  return function(argument)
    if kind(argument) ~= "object" then return "an object" end
    for _, name in ipairs(argument) do
      local expected = of(argument[name])
      if expected then return ("%s under each name"):format(expected) end
    end
  end
end

local function is_types(argument)
  local types = kind(argument) == "array" and argument or { argument }
  for _, one in ipairs(types) do
    if not TYPES[one] then return "one or more of null, boolean, object, array, number, string, integer" end
  end
  if #types == 0 then return "a type" end
end

local function is_anything() end

local is_schema_map = is_map(is_schema)

-- Keywords that are checked or passed over, with what their argument may be.
local KEYWORDS = {
  type = is_types, enum = is_list, const = is_anything, ["$ref"] = is_anything, minimum = is_number, maximum = is_number, exclusiveMinimum = is_number,
  exclusiveMaximum = is_number, multipleOf = is_above_0, minLength = is_count, maxLength = is_count, minItems = is_count, maxItems = is_count,
  uniqueItems = is_boolean, prefixItems = is_schemas, items = is_schema, contains = is_schema, minContains = is_count, maxContains = is_count,
  minProperties = is_count, maxProperties = is_count, required = is_names, properties = is_schema_map, additionalProperties = is_schema,
  propertyNames = is_schema, dependentRequired = is_map(is_names), dependentSchemas = is_schema_map, allOf = is_schemas, anyOf = is_schemas,
  oneOf = is_schemas, ["not"] = is_schema, ["if"] = is_schema, ["then"] = is_schema, ["else"] = is_schema, ["$defs"] = is_schema_map,
  definitions = is_schema_map, title = is_anything, description = is_anything, default = is_anything, examples = is_anything, deprecated = is_anything,
  readOnly = is_anything, writeOnly = is_anything, ["$comment"] = is_anything, ["$schema"] = is_anything, format = is_anything,
  contentEncoding = is_anything, contentMediaType = is_anything, contentSchema = is_anything,
}

-- Keywords that say something and are not checked here.
local REFUSED = {
  pattern = true, patternProperties = true, unevaluatedItems = true, unevaluatedProperties = true, ["$id"] = true, ["$anchor"] = true,
  ["$dynamicRef"] = true, ["$dynamicAnchor"] = true, ["$vocabulary"] = true, dependencies = true, additionalItems = true,
}

-- Schemas inside a schema: one, a list, or a map of them.
local NESTED = {
  items = "one", contains = "one", additionalProperties = "one", propertyNames = "one", ["not"] = "one", ["if"] = "one", ["then"] = "one", ["else"] = "one",
  prefixItems = "list", allOf = "list", anyOf = "list", oneOf = "list", properties = "map", dependentSchemas = "map", ["$defs"] = "map", definitions = "map",
}

-- Those that are about the same value as the schema that they are in.
local SAME_VALUE = { ["not"] = true, ["if"] = true, ["then"] = true, ["else"] = true, allOf = true, anyOf = true, oneOf = true, dependentSchemas = true }

-- Calls `visit(nested, keyword, path)` for each schema directly inside a schema, until it says something.
local function each_nested(schema, path, visit)
  for _, keyword in ipairs(schema) do
    local how, argument = NESTED[keyword], schema[keyword]
    local here = path .. "/" .. keyword
    if how == "one" then
      local said = visit(argument, keyword, here)
      if said then return said end
    elseif how then
      for i, item in ipairs(argument) do
        local key = how == "list" and i - 1 or item
        local said = visit(how == "list" and item or argument[item], keyword, here .. "/" .. key)
        if said then return said end
      end
    end
  end
end

local function keyword_problem(root, keyword, argument)
  if REFUSED[keyword] then return "is not checked here" end
  local expected = KEYWORDS[keyword]
  if not expected then return "is no keyword" .. (nearest.hint(keyword, M.keywords()) and "; " .. nearest.hint(keyword, M.keywords()) or "") end
  local wanted = expected(argument)
  if wanted then return ("is %s, and should be %s"):format(shown(argument), wanted) end
  if keyword == "$ref" and (type(argument) ~= "string" or is_schema(resolve(root, argument))) then
    return ("%s leads to no schema in this document"):format(shown(argument))
  end
end

local function problem_at(root, schema, path, depth)
  local expected = is_schema(schema)
  if expected then return ("%s is %s, and should be %s"):format(path == "" and "the schema" or path, shown(schema), expected) end
  if type(schema) == "boolean" then return nil end
  if depth > MOST_DEPTH then return ("%s is nested more than %d deep"):format(path, MOST_DEPTH) end
  for _, keyword in ipairs(schema) do
    local problem = keyword_problem(root, keyword, schema[keyword])
    if problem then return ("`%s/%s` %s"):format(path, keyword, problem) end
  end
  return each_nested(schema, path, function(nested, _, where_it_is) return problem_at(root, nested, where_it_is, depth + 1) end)
end

-- A reference that comes back to its own schema without going into the value never ends.
local function endless(root, schema, open, done)
  if type(schema) == "boolean" or done[schema] then return nil end
  if open[schema] then return "a `$ref` leads back to its own schema without end" end
  open[schema] = true
  local problem = schema["$ref"] and endless(root, resolve(root, schema["$ref"]), open, done)
    or each_nested(schema, "", function(nested, keyword) return SAME_VALUE[keyword] and endless(root, nested, open, done) or nil end)
  open[schema], done[schema] = nil, true
  return problem
end

local function each_schema(schema, visit)
  if type(schema) == "boolean" then return nil end
  return visit(schema) or each_nested(schema, "", function(nested) return each_schema(nested, visit) end)
end

--- What in a schema cannot be checked here; nil when all of it can.
---@param schema any   a value of the language
---@return string? message
function M.problem(schema)
  if schema == false then return "the schema is false, which no reply fits" end
  local problem = problem_at(schema, schema, "", 0)
  if problem then return problem end
  local done = {}
  return each_schema(schema, function(one) return endless(schema, one, {}, done) end)
end

--- The keywords that are known, in the order of their names.
---@return string[]
function M.keywords()
  return keys.sorted(KEYWORDS)
end

-- What servers that hold their answers to a schema take in one.
local HELD = {
  type = true, properties = true, required = true, additionalProperties = true, items = true, enum = true, const = true, anyOf = true, ["$ref"] = true,
  ["$defs"] = true, title = true, description = true,
}

local function is_strict(schema)
  for _, keyword in ipairs(kind(schema) == "object" and schema or {}) do
    if not HELD[keyword] then return false end
  end
  if kind(schema) ~= "object" or not (schema.type == "object" or schema.properties) then return true end
  local required = {}
  for _, name in ipairs(schema.required or {}) do required[name] = true end
  for _, name in ipairs(schema.properties or {}) do
    if not required[name] then return false end
  end
  return schema.additionalProperties == false
end

--- Whether a server can hold its answer to a schema: it is about an object, every object in it says all of its
--- fields and requires them, and nothing in it is beyond what servers take.
---@param schema any
---@return boolean
function M.strict(schema)
  return kind(schema) == "object" and schema.type == "object" and not each_schema(schema, function(one) return not is_strict(one) or nil end)
end

return M
