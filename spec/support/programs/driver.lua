-- A host of the library that drives one random program on a store, or goes on with it:
--   lua5.4 spec/support/programs/driver.lua STORE PROGRAM [N]
-- It dies by SIGKILL inside the n-th call of an agent. It prints the status, and the result as JSON.
-- $SNAPSHOTS: one is taken at every rest.

local agents = require "spec.support.programs.agents"
local config = require "orchlua.config"
local orchlua = require "orchlua"

local path, program_file, number = table.unpack(arg)

if os.getenv "SNAPSHOTS" then require("orchlua.journal").outgrown = function() return true end end

local asked = 0

local function count()
  asked = asked + 1
  if asked == tonumber(number) then os.execute(("kill -KILL %d"):format(io.open("/proc/self/stat"):read "n")) end
end

local checked = assert(config.check({ agents = agents.configured(false, count) }, ".", "driver"))
local runtime = assert(orchlua.runtime { store = path, config = checked })

local function begin()
  local file = assert(io.open(program_file))
  local program, wrong = orchlua.compile(file:read "a", { name = "random.dsl", config = checked })
  file:close()
  return runtime:start(assert(program, wrong[1] and wrong[1].message), { run_id = "r" })
end

local known = runtime.store:find "r"
if not known or known.status == "running" then
  assert(known and runtime:resume "r" or not known and begin())
  runtime:loop()
end
local found = assert(runtime.store:find "r")
print(found.status, found.outcome or "null")
runtime:close()
