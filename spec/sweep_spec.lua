-- Memory runs out at every place in turn: what was asked for is refused with a clear
-- error, nothing crashes, hangs, leaks or stays open, and a run of a store goes on to its
-- end once there is memory again. A sample of all allocations is tried; with ORCHLUA_SWEEP=10
-- every tenth, from a random one on, and with 1 every one of them (of those that loading the
-- modules makes, a tenth of that).

local broken = require "spec.support.broken"
local peer = require "spec.support.peer"

local EVERY = tonumber(os.getenv "ORCHLUA_SWEEP")

-- About how many allocations each workload makes: a sample has some forty of them.
local workloads = { load = 44000, json = 2300, snapshot = 3600, run = 3800, durable = 8700, exec = 1000, http = 1000, libcurl = 1000 }
local SAMPLE = 40

local function shell(text)
  local pipe = io.popen(text)
  local out = pipe:read "a"
  pipe:close()
  return out
end

describe("memory that runs out", function()
  local folder, library, server
  setup(function()
    folder = broken.folder()
    library = folder .. "/sweep.so"
    assert(os.execute(("gcc -std=c11 -shared -fPIC -O1 $(pkg-config --cflags lua5.4) spec/support/sweep.c -o %s -ldl"):format(library)))
    server = peer.start()
  end)
  teardown(function()
    server.stop()
    broken.remove(folder)
  end)

  local function swept(name, failing)
    local step = EVERY and (name == "load" and 10 or 1) * EVERY or workloads[name] // SAMPLE
    local first = math.random(step)
    return shell(("ASAN_OPTIONS=verify_asan_link_order=0 LSAN_OPTIONS=print_suppressions=0 SWEEP=%s timeout %d env LD_PRELOAD=%s %s spec/support/sweep.lua %s %d %d %d %s 2>&1; echo status=$?"):format(
      library, EVERY and 3000 or 200, library, broken.lua, name, failing, first, step, server.url))
  end

  for name in pairs(workloads) do
    for failing, what in pairs { [1] = "once", [2] = "twice in a row", [1 << 40] = "for good" } do
      it(("%s is refused clearly: %s"):format(what, name), function()
        local out = swept(name, failing)
        local tried, refused = out:match "(%d+) tried, (%d+) refused, 0 wrong\nstatus=0\n$"
        assert.is_truthy(tried, out:gsub("\n%d+%f[\n]", ""))
        assert.is_true(tonumber(tried) >= 10)
        assert.is_true(failing == 1 or tonumber(refused) > tonumber(tried) // 2)
      end)
    end
  end
end)
