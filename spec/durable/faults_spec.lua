-- What a store does when the disk fails, when its file is damaged or cannot be written,
-- and when a driver sleeps past its lease.

local broken = require "spec.support.broken"
local command = require "spec.support.command"

local function shell(text)
  local pipe = io.popen(text)
  local out = pipe:read "a"
  pipe:close()
  return out
end

describe("a run whose store fails", function()
  local folder
  before_each(function() folder = broken.folder() end)
  after_each(function() broken.remove(folder) end)

  for _, fault in ipairs { "full", "io", "readonly" } do
    it(("stops with a clear error at its last durable state, and goes on later (%s)"):format(fault), function()
      local stopped, full = 0, 0
      for at = 4, 120, 9 do
        local status, text = broken.drive(folder, "start", { fault = fault, at = at })
        local said = text .. io.open(folder .. "/err"):read "a"
        if status == "completed" then break end
        assert.is_truthy(said:find "disk is full" or said:find "disk I/O error" or said:find "readonly" or said:find "unable to open", said)
        if said:find "disk is full" then full = full + 1 end
        if status == "stopped" then stopped = stopped + 1 end
        local finished = broken.finish(folder)
        assert.equal("", table.concat(broken.problems(folder, finished, 3), "\n"), fault .. " at write " .. at)
        broken.remove(folder)
        folder = broken.folder()
      end
      assert.is_true(stopped > 3)
      assert.equal(fault == "full", full > 3)
    end)
  end

  it("goes on from an older state when the end of the WAL is gone", function()
    for lost = 1000, 40000, 7700 do
      broken.drive(folder, "start", { request = 8 })
      local log <close> = assert(io.open(folder .. "/run.db-wal", "rb"))
      local bytes = log:read "a"
      -- Behind the last commit there are zeros.
      local size = #bytes - bytes:reverse():find "[^%z]" + 1
      shell(("truncate -s %d %s/run.db-wal; rm -f %s/run.db-shm %s/log"):format(math.max(0, size - lost), folder, folder, folder))
      local finished = broken.finish(folder)
      assert.equal("", table.concat(broken.problems(folder, finished, 3), "\n"), lost .. " bytes of the WAL lost")
      broken.remove(folder)
      folder = broken.folder()
    end
  end)

  it("takes no pause of its own when the disk is slow: what came during a commit is committed after it", function()
    local there = command.folder {
      ["orchlua.config.lua"] = [[return { agents = {
        ["*"] = function(request) require("orchlua").sleep(tonumber(request.prompt)) return "done" end } }]],
      ["p.dsl"] = [[
PARALLEL:
  BRANCH: EVENT completion:async {agent_id: "a", prompt: "20"} AS r1
  BRANCH:
    WAIT 0.75
    WAIT 30
  BRANCH:
    EVENT completion:async {agent_id: "a", prompt: "0.55"} AS r2
    EVENT completion:async {agent_id: "a", prompt: "0.1"} AS r3
    RETURN ELAPSED()
]] }
    local out = command.shell(("ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=%s FAULT=slow FAULT_AT=1 FAULT_PATH=run.db %s p.dsl --store run.db --quiet"):format(
      broken.faults(), command.path), there)
    command.remove(there)
    assert.is_true(tonumber(out.out) < 2, out.out .. out.err)
  end)

  it("is refused with a clear message, and left as it is, when the file cannot be written or read", function()
    local out = command.shell(("printf 'no database at all, but long enough to be one' > x.db; cp x.db y.db; %s - --store x.db; cmp x.db y.db"):format(command.path),
      folder, "RETURN 1")
    assert.matches("not a database", out.err)
    assert.matches("hint: give another file with %-%-store", out.err)
    out = command.shell(("%s - --store /proc/no/such.db; echo $?"):format(command.path), folder, "RETURN 1")
    assert.matches("error: the store /proc/no/such.db: ", out.err)
    assert.equal("2\n", out.out)
  end)
end)

describe("a driver that sleeps past its lease", function()
  it("is void from the moment another took over, and says so", function()
    local folder = broken.folder()
    local driver = "LEASE=3 %s spec/support/driver.lua %s/run.db %s/log"
    local lua = broken.lua
    -- The first one is stopped inside an agent, sleeps, and finds its run taken.
    local script = ([[
      ]] .. driver .. [[ start spec/support/broken.dsl stop 3 >%s/first 2>%s/first.err & pid=$!
      for i in $(seq 1500); do grep -q '"r/7"' %s/log 2>/dev/null && break; sleep 0.02; done
      ]] .. driver .. [[ resume x >%s/early
      sleep 3.2
      ]] .. driver .. [[ resume x >%s/second
      kill -CONT $pid; wait $pid]]):format(lua, folder, folder, folder, folder, folder, lua, folder, folder, folder, lua, folder, folder, folder)
    command.shell(script, ".")
    local function read(name) return io.open(folder .. "/" .. name):read "a" end
    assert.matches('"r/7"', read "log", "the first driver never came to the agent that it stops in")
    assert.matches("^none\tlease\tthe run `r` is being driven by process %d+", read "early")
    assert.matches("^completed", read "second")
    assert.matches("^stopped.*driven by another process now", read "first")
    assert.equal("", table.concat(broken.problems(folder, read "second", 2), "\n"))
    broken.remove(folder)
  end)
end)
