local core = require "orchlua.core"
local lfs = require "lfs"
local schema = require "orchlua.agents.schema"

local json = core.json

local function decoded(text)
  local v, problem = json.decode(text)
  if v == nil then error(problem .. ": " .. text, 2) end
  return v
end

local function check(shape, text) return schema.check(decoded(shape), decoded(text)) end

local function problem(shape) return schema.problem(decoded(shape)) end

describe("a value under a schema", function()
  it("fits, or is told where and what is wrong", function()
    local said = {
      { '{"type": "object", "properties": {"n": {"type": "integer"}}}', '{"n": 1.0}', nil },
      { '{"properties": {"reviews": {"items": {"properties": {"score": {"type": "number"}}}}}}', '{"reviews": [{"score": 1}, {"score": "high"}]}',
        '`reviews[1].score` is a string ("high"), and should be a number' },
      { '{"type": ["string", "null"]}', "7", "the reply is a number (7), and should be a string or null" },
      { '{"enum": ["yes", "no", 3]}', '"maybe"', 'the reply is a string ("maybe"), and should be one of "yes", "no", 3' },
      { '{"const": {"a": [1]}}', '{"a": [2]}', 'the reply is an object, and should be {"a":[1]}' },
      { '{"required": ["a", "b"]}', '{"a": null}', "the reply should have the field `b`" },
      { '{"properties": {"a": true}, "additionalProperties": false}', '{"a": 1, "b c": 2}', "the reply should not have the field `b c`" },
      { '{"additionalProperties": {"type": "string"}}', '{"b c": 2}', '`["b c"]` is a number (2), and should be a string' },
      { '{"minimum": 1, "exclusiveMaximum": 5, "multipleOf": 0.1}', "5", "the reply is 5, and should be less than 5" },
      { '{"minimum": 1}', "0.5", "the reply is 0.5, and should be 1 or more" },
      { '{"multipleOf": 0.1}', "0.3", nil },
      { '{"multipleOf": 1}', "10000000000.5", "the reply is 10000000000.5, and should be a multiple of 1" },
      { '{"minLength": 3}', '"né"', "the reply has 2 characters, and should have 3 at least" },
      { '{"maxItems": 1}', "[1, 2]", "the reply has 2 items, and should have 1 at most" },
      { '{"uniqueItems": true}', '[1, "1", {"a": 1}, {"a": 1}]', "the reply has the same item twice, at 2 and 3" },
      { '{"uniqueItems": true}', '[{"a": 1, "b": [2]}, {"a": 1, "b": ["2"]}, {"b": [2.0], "a": 1}]', "the reply has the same item twice, at 0 and 2" },
      { '{"prefixItems": [{"type": "string"}], "items": {"type": "number"}}', '["a", "b"]', '`[1]` is a string ("b"), and should be a number' },
      { '{"anyOf": [{"type": "string"}, {"minimum": 3}]}', "1", "the reply is a number (1), and fits none of the 2 shapes that it may have" },
      { '{"oneOf": [{"minimum": 1}, {"minimum": 3}]}', "4", "the reply is a number (4), and fits 2 of the 2 shapes of which it should have one" },
      { '{"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}', '{"a": 1}', "the reply should have the field `b`" },
      { '{"not": {"type": "null"}}', "null", "the reply is null, which is what it should not be" },
      { '{"contains": {"type": "null"}}', "[1]", "the reply has 0 items of the kind that it should have 1 of at least" },
      { '{"propertyNames": {"maxLength": 1}}', '{"ab": 1}', "the reply should not have a field of the name `ab`" },
      { '{"dependentRequired": {"a": ["b"]}}', '{"a": 1}', "the reply should have the field `b`" },
      { "false", "1", "the reply should not be there" },
    }
    for _, one in ipairs(said) do assert.equal(one[3], check(one[1], one[2]), one[1]) end
  end)

  it("is told five things at most, and how many there are more", function()
    assert.equal('`[0]` is null, and should be a string; `[1]` is null, and should be a string; `[2]` is null, and should be a string; '
      .. '`[3]` is null, and should be a string; `[4]` is null, and should be a string; and 2 more',
      check('{"items": {"type": "string"}}', "[null, null, null, null, null, null, null]"))
  end)

  it("is shown shortened, at a character", function()
    local message = schema.check({ "type", type = "number" }, ("é"):rep(100))
    assert.is_nil(message:find("\239\191\189", 1, true))
    assert.is_true(#message < 150)
  end)

  it("may be as deep as its schema says that it may", function()
    local tree = '{"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": false}'
    local deep = ('{"next": '):rep(900) .. "{}" .. ("}"):rep(900)
    assert.is_nil(check(tree, deep))
    assert.truthy(check(tree, (deep:gsub("{}", '{"x": 1}'))):find("should not have the field `x`", 1, true))
  end)

  it("takes no longer than a million steps", function()
    local twice = '{"anyOf": [{"items": {"$ref": "#"}, "maxItems": 0}, {"items": {"$ref": "#"}, "maxItems": 0}]}'
    assert.equal("the reply takes too long to check against its schema", check(twice, ("["):rep(60) .. ("]"):rep(60)))
  end)

  it("with 100,000 unlike items is looked at quickly", function()
    local items = core.value.array {}
    for i = 1, 100000 do items[i] = "item " .. i end
    assert.is_nil(schema.check({ "uniqueItems", uniqueItems = true }, items))
  end)
end)

describe("a schema", function()
  it("that can be checked has no problem", function()
    assert.is_nil(problem "true")
    assert.is_nil(problem '{"$schema": "x", "title": "t", "format": "date", "$defs": {"a/b": {"type": "null"}}, "$ref": "#/$defs/a~1b"}')
  end)

  it("is refused with the place of what cannot be checked", function()
    for shape, message in pairs {
      ["false"] = "the schema is false, which no reply fits",
      ["7"] = "the schema is 7, and should be an object, true or false",
      ['{"type": "objet"}'] = '`/type` is "objet", and should be one or more of null, boolean, object, array, number, string, integer',
      ['{"items": {"pattern": "x"}}'] = "`/items/pattern` is not checked here",
      ['{"properties": {"a": {"minimun": 1}}}'] = "`/properties/a/minimun` is no keyword; did you mean `minimum`?",
      ['{"required": "a"}'] = '`/required` is "a", and should be a list of names',
      ['{"anyOf": []}'] = "`/anyOf` is [], and should be a list of schemas",
      ['{"multipleOf": 0}'] = "`/multipleOf` is 0, and should be a number above 0",
      ['{"$ref": "#/$defs/none"}'] = '`/$ref` "#/$defs/none" leads to no schema in this document',
      ['{"$ref": "https://example.org/x"}'] = '`/$ref` "https://example.org/x" leads to no schema in this document',
      ['{"$ref": "#"}'] = "a `$ref` leads back to its own schema without end",
      ['{"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}}'] = "a `$ref` leads back to its own schema without end",
    } do
      assert.equal(message, problem(shape), shape)
    end
    assert.truthy(problem(('{"not": '):rep(120) .. "true" .. ("}"):rep(120)):find("nested more than 100 deep", 1, true))
  end)

  it("is strict when its objects say and require all of their fields", function()
    assert.is_true(schema.strict(decoded '{"type": "object", "properties": {"a": true}, "required": ["a"], "additionalProperties": false}'))
    assert.is_false(schema.strict(decoded '{"type": "string"}'))
    assert.is_false(schema.strict(decoded '{"type": "object", "properties": {"a": {"minLength": 2}}, "required": ["a"], "additionalProperties": false}'))
    assert.is_false(schema.strict(decoded '{"type": "object", "properties": {"a": true}, "additionalProperties": false}'))
    assert.is_false(schema.strict(decoded '{"type": "object", "properties": {"a": {"type": "object"}}, "required": ["a"], "additionalProperties": false}'))
  end)
end)

-- The common test suite, as Debian packages it. Its schemas are of draft 7: lists under `items` and `dependencies`
-- are refused, and siblings of `$ref` mean something since.
local SUITE = "/usr/share/json-schema-test-suite/tests/draft7"

local function groups_of(path)
  local file = assert(io.open(path, "rb"))
  local groups = decoded(file:read "a")
  file:close()
  return groups
end

describe("the JSON schema test suite", function()
  local known = lfs.attributes(SUITE, "mode") == "directory"
  if not known then
    pending("is not installed here (Debian's json-schema-test-suite)")
    return
  end

  it("agrees in every group that is not refused", function()
    local compared, refused = 0, 0
    for name in lfs.dir(SUITE) do
      for _, group in ipairs(name:find "%.json$" and groups_of(SUITE .. "/" .. name) or {}) do
        if schema.problem(group.schema) or group.description:find("overrides any sibling", 1, true) then
          refused = refused + 1
        else
          for _, test in ipairs(group.tests) do
            compared = compared + 1
            assert.equal(test.valid, schema.check(group.schema, test.data) == nil, ("%s: %s: %s"):format(name, group.description, test.description))
          end
        end
      end
    end
    assert.is_true(compared > 250, ("only %d tests were compared, %d groups were refused"):format(compared, refused))
  end)
end)
