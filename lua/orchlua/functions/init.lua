-- The functions of the language by the names that programs write. Each entry tells
-- the compiler how it is called and holds `fn`, called as `fn(run, …)` with values
-- of the language. The run gives `charge(n)`, `random()`, `now()`, `elapsed(t)`,
-- `id` and `inputs`; nothing here reads a clock or draws a number by itself, so
-- that a run can be resumed and replayed.

---@class orchlua.Function
---@field fn fun(run: table, ...): any
---@field min integer            the least number of arguments
---@field max number             the greatest; `math.huge` for any
---@field element? integer       the argument that is an element function, called as `f(value, key, is_object)`
---@field returns? string        the kind it always gives; nil when it may be any, or null
---@field where? boolean         its element expression may be written `list WHERE …`
---@field sortable? boolean      its element expression may carry ASC or DESC
---@field reduce? boolean        its function is called as `f(accumulator, value)`
---@field optional_element? boolean   its element argument may also be a plain value

---@type table<string, orchlua.Function>
local M = {}

for _, functions in ipairs {
  require "orchlua.functions.collections", require "orchlua.functions.lists", require "orchlua.functions.statistics",
  require "orchlua.functions.strings".functions, require "orchlua.functions.numbers", require "orchlua.functions.random",
  (require "orchlua.functions.runs"),
} do
  for name, entry in pairs(functions) do M[name] = entry end
end

return M
