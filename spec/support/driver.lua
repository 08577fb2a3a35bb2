-- A host of the library for the specs that break things: drives one run of a program
-- that uses the language widely, and writes down every request that an agent saw.
--   lua5.4 spec/support/driver.lua STORE LOG start|resume PROGRAM [here|asked|stop N]
-- It dies by SIGKILL at the n-th call of HERE() in the program, or inside the n-th call
-- of an agent; or it stops there, by SIGSTOP. It prints `status` and the result, as JSON.
-- $LEASE: seconds that a lease lasts. $SNAPSHOTS: one is taken at every rest.

local orchlua = require "orchlua"
local config = require "orchlua.config"
local core = require "orchlua.core"

local path, log, mode, program_file, where, number = table.unpack(arg)

local leases = require "orchlua.store.lease"
leases.SECONDS = tonumber(os.getenv "LEASE") or leases.SECONDS

if os.getenv "SNAPSHOTS" then require("orchlua.journal").outgrown = function() return true end end

local function send_self(signal) os.execute(("kill -%s %d"):format(signal, io.open("/proc/self/stat"):read "n")) end

local counts = { here = 0, asked = 0, stop = 0 }

local function count(what)
  counts[what] = counts[what] + 1
  if what ~= where or counts[what] ~= tonumber(number) then return end
  send_self(what == "stop" and "STOP" or "KILL")
end

local function note(request)
  local file = assert(io.open(log, "a"))
  file:write(core.json.encode(core.value.object { "key", "attempt", "prompt", key = request.idempotency_key, attempt = request.attempt, prompt = request.prompt }), "\n")
  file:close()
  count "asked"
  count "stop"
end

local checked = assert(config.check({
  agents = {
    worker = function(request)
      note(request)
      return ("%s#%d"):format(request.idempotency_key, request.attempt)
    end,
    sleeper = function(request)
      note(request)
      orchlua.sleep(0.003)
      return { seen = request.idempotency_key, n = 1.5 }
    end,
    -- Fails in its first three tries, whoever makes them.
    fickle = function(request)
      note(request)
      if request.attempt < 3 then error { type = "transport", message = "not yet" } end
      return "at last"
    end,
  },
  patterns = { spec_chatty = require "spec.support.chatty" },
  functions = {
    HERE = function()
      count "here"
      return 0
    end,
    -- What is never the same twice.
    TICK = function() return os.time() + math.random() end,
  },
}, ".", "driver"))

-- This seed makes the pauses between tries short.
local runtime, broken = orchlua.runtime { store = path, config = checked, seed = 169704 }
if not runtime then error(broken.message) end
local run, err
if mode == "start" then
  local file = assert(io.open(program_file))
  local program, wrong = orchlua.compile(file:read "a", { name = "broken.dsl", config = checked })
  file:close()
  if not program then error(wrong[1].message) end
  run, err = runtime:start(program, { run_id = "r" })
else
  run, err = runtime:resume "r"
end
if not run then
  print("none", err.type, err.message)
  runtime:close()
  os.exit(2)
end
runtime:loop()
print(run.status, core.json.encode(run.result or core.value.null), run.error or "")
runtime:close()
