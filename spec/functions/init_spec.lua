local functions = require "orchlua.functions"
local methods = require "orchlua.functions.methods"

local kinds = { number = true, string = true, boolean = true, array = true, object = true }

describe("the registry", function()
  it("has every function of the language", function()
    for name in ([[
      RANGE LENGTH KEYS VALUES ENTRIES SLICE REVERSE UNIQUE FLATTEN ZIP MERGE CONTAINS APPEND SORT FILTER MAP FIND ANY ALL COUNT SUM AVERAGE MIN
      MAX MEDIAN VARIANCE GROUP_BY REDUCE EXTRACT ROUND FLOOR CEIL ABS SQRT POW RANDOM RANDOM_CHOICE SHUFFLE GAUSSIAN UUID TIMESTAMP NOW ELAPSED
      JSON.stringify JSON.parse UPPER LOWER TRIM SPLIT JOIN REPLACE STARTS_WITH ENDS_WITH FORMAT HASH GENERATE_TASKS INPUTS RUN_ID
    ]]):gmatch "%S+" do
      assert.is_table(functions[name], name)
    end
  end)

  it("says of each how it is called", function()
    for name, entry in pairs(functions) do
      assert.is_function(entry.fn, name)
      assert.equal("integer", math.type(entry.min), name)
      assert.is_true(entry.max >= entry.min, name)
      assert.is_true(entry.returns == nil or kinds[entry.returns], name)
      assert.is_true(entry.element == nil or entry.element <= entry.max, name)
      assert.is_nil(name:match "[^%w_.]", name)
    end
  end)

  it("has every method of the language", function()
    for name in ([[
      push pop shift unshift slice join includes indexOf split startsWith endsWith toUpperCase toLowerCase trim replace
    ]]):gmatch "%S+" do
      local method = methods[name]
      assert.is_function(method.fn, name)
      assert.is_true(method.max >= method.min, name)
      assert.is_true(method.kinds.array or method.kinds.string, name)
    end
  end)
end)
