-- Who is known to be dead.

local process = require "orchlua.store.process"

describe("a driver", function()
  local here = process.this()

  local function like(changes)
    local driver = {}
    for name, value in pairs(here) do driver[name] = value end
    for name, value in pairs(changes) do driver[name] = value end
    return driver
  end

  it("is alive while its process is", function() assert.is_false(process.dead(like {}, here)) end)

  it("is dead when its process is gone, or another one has its number, or the host was started anew", function()
    local pipe = io.popen "echo $$"
    local gone = pipe:read "n"
    pipe:close()
    assert.is_true(process.dead(like { pid = gone }, here))
    assert.is_true(process.dead(like { started = "1" }, here))
    assert.is_true(process.dead(like { boot = "another" .. here.boot:match " .*$" }, here))
  end)

  it("may be alive on another host, and where processes are numbered otherwise, as in a container", function()
    assert.is_false(process.dead(like { host = "another", boot = "another", started = "1" }, here))
    assert.is_false(process.dead(like { boot = here.boot:match "^%S+" .. " 1", started = "1" }, here))
  end)

  it("of an older release says nothing of who numbers it", function()
    assert.is_true(process.dead(like { boot = here.boot:match "^%S+", started = "1" }, here))
    assert.is_false(process.dead(like { boot = here.boot:match "^%S+" }, here))
  end)
end)
