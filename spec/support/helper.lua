-- Loaded before the specs: random inputs are the same every time unless SPEC_SEED says
-- otherwise. ORCHLUA_SPEC_GC, the library of `collect.c`, makes Lua's collector work all the
-- time, and do a whole round now and then. (That nothing hangs for ever is up to `tools/specs`.)

math.randomseed(tonumber(os.getenv "SPEC_SEED") or 20260101)

local library = os.getenv "ORCHLUA_SPEC_GC"
if library then
  collectgarbage("incremental", 0, 400)
  assert(package.loadlib(library, "luaopen_collect"))(tonumber(os.getenv "ORCHLUA_SPEC_GC_EVERY") or 10007)
end
