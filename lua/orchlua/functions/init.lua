-- The functions of the language by name. Each entry tells the compiler how many
-- arguments it takes (`min`, `max`), which one is an element expression
-- (`element`) and the kind it always gives (`returns`), and holds `fn`, called as
-- `fn(run, …)`. The run gives `charge(n)`, `random()`, `now()` and `elapsed(t)`.

local M = {}

for _, functions in ipairs {
  require "orchlua.functions.collections", require "orchlua.functions.strings".functions, require "orchlua.functions.numbers",
  (require "orchlua.functions.runs"),
} do
  for name, entry in pairs(functions) do M[name] = entry end
end

return M
