-- Every function and method on arguments of every kind, drawn at random: it gives
-- a value of the language or raises an error object, and nothing else.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local functions = require "orchlua.functions"
local methods = require "orchlua.functions.methods"
local use = require "spec.support.call"

local value = core.value

local function values()
  local loop = use.of "[1]"
  loop[2] = loop
  return {
    use.null, true, false, 0, 1, -1, 2.5, -0.0, 3, 18, -5, 1e300, -1e300, math.maxinteger, math.mininteger, "", "a", "äö😀", "a,b,,", use.of "[]",
    use.of "[1, 2, 3]", use.of '["b", "a"]', use.of "[null, [1], {}]", use.of "{}", use.of '{"a": 1, "b": [2]}', loop,
  }
end

local element_functions = {
  function(x) return x end, function() return use.null end, function(_, b) return b end, function(x) return type(x) == "table" and x or 1 end,
}

-- A generator of whole numbers, and a run whose steps are few.
local function chance(seed)
  local run = use.run(seed)
  function run:charge(n)
    assert(math.type(n) ~= nil and n >= 0 and n == math.floor(n), "charged " .. tostring(n))
    self.steps = self.steps + n
    if self.steps > 100000 then errors.raise("limit", "too many steps") end
  end
  return function(least, most) return least + math.floor(run:random() * (most - least + 1)) end, run
end

local function arguments(pick, entry)
  local given, count = {}, pick(entry.min, math.min(entry.max, entry.min + 2))
  local from = values()
  for i = 1, count do given[i] = from[pick(1, #from)] end
  if entry.element and entry.element <= count and not (entry.optional_element and pick(0, 1) == 0) then
    given[entry.element] = element_functions[pick(1, #element_functions)]
  end
  return given, count
end

local function holds(name, ok, result)
  if not ok then
    assert.is_true(errors.is(result), name .. " raised " .. tostring(result))
    return
  end
  assert.is_string(value.kind(result), name)
  if type(result) == "number" then assert.equal(0, result - result, name) end
  if type(result) == "string" then assert.is_truthy(utf8.len(result), name) end
end

describe("with any arguments", function()
  it("functions give a value of the kind they say, or raise an error object", function()
    for name, entry in pairs(functions) do
      for seed = 1, 200 do
        local pick, run = chance(seed)
        local given, count = arguments(pick, entry)
        if entry.sortable or name == "EXTRACT" then given[3], count = pick(0, 1) == 1, 3 end
        local ok, result = pcall(entry.fn, run, table.unpack(given, 1, count))
        holds(name, ok, result)
        if ok and entry.returns then assert.equal(entry.returns, value.kind(result), name) end
      end
    end
  end)

  it("methods do so too", function()
    for name, entry in pairs(methods) do
      for seed = 1, type(entry) == "table" and 200 or 0 do
        local pick, run = chance(seed)
        local given, count = arguments(pick, entry)
        local ok, result = pcall(entry.fn, run, values()[pick(1, 26)], table.unpack(given, 1, count))
        holds("." .. name, ok, result)
        if ok and entry.returns then assert.equal(entry.returns, value.kind(result), name) end
      end
    end
  end)
end)
