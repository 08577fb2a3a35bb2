-- Nothing is lost: a driver that dies by SIGKILL, at random moments, at statements, at
-- writes of the store, while it recovers; and then goes on. ORCHLUA_KILLS is how many
-- random kills are made (1,000 in CI's longer job); SPEC_SEED makes others.

local broken = require "spec.support.broken"

local KILLS = tonumber(os.getenv "ORCHLUA_KILLS") or 200
local SEED = tonumber(os.getenv "SPEC_SEED") or os.time()

describe("a run whose driver is killed", function()
  local function trial(label, start, resumes)
    local folder = broken.folder()
    local drives = 1
    local status, text = broken.drive(folder, "start", start)
    if status == "killed" then
      text = broken.finish(folder, function(n)
        drives = drives + 2 -- one to resume, and one to start when it was killed before there was a run
        return resumes and resumes(n)
      end)
    end
    local problems = broken.problems(folder, text, drives)
    assert.equal("", table.concat(problems, "\n"), ("%s, in %s"):format(label, folder))
    broken.remove(folder)
    return status
  end

  it("loses nothing at random moments, nor in the resumes after them (seed " .. SEED .. ")", function()
    local random = require "orchlua.random"
    local state, number = SEED, nil
    local function draw()
      number, state = random.next(state)
      return number
    end
    local kills = 0
    while kills < KILLS do
      local snapshots = kills % 2 == 0
      trial("random kill, seed " .. SEED, { kill_after = 0.02 + 0.035 * draw(), snapshots = snapshots }, function(n)
        kills = kills + 1
        return { kill_after = n < 4 and draw() < 0.5 and 0.02 + 0.035 * draw() or nil, snapshots = snapshots }
      end)
      kills = kills + 1
    end
  end)

  it("loses nothing at any statement, nor in any request", function()
    for _, where in ipairs { "statement", "request" } do
      for _, snapshots in ipairs { false, true } do
        local number = 1
        while trial(where .. " " .. number, { [where] = number, snapshots = snapshots }, function(n)
          return { [where] = n == 1 and 1 or nil, snapshots = snapshots }
        end) == "killed" do
          number = number + 1
        end
        assert.is_true(number > 8)
      end
    end
  end)

  it("loses nothing at any write of the store, whole or torn, nor at writes of the resume", function()
    local step = os.getenv "ORCHLUA_KILLS" and 1 or 7
    for _, fault in ipairs { "kill", "torn" } do
      local at = 1 + SEED % step
      while trial(fault .. " at write " .. at, { fault = fault, at = at }, function(n)
        if n <= 2 then return { fault = "kill", at = 1 + (at * 3 + n * 5) % 23 } end
      end) == "killed" do
        at = at + step
      end
      assert.is_true(at > 20)
    end
  end)
end)
