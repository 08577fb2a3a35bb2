-- Random programs do the same compiled as in a plain, slow interpreter that shares only the
-- parser with the product; and when whoever drives them is killed at random and others go on.
-- ORCHLUA_PROGRAMS is how many are compared, SPEC_SEED where they begin.

local broken = require "spec.support.broken"
local compare = require "spec.support.programs.compare"
local programs = require "spec.support.programs"

local PROGRAMS = tonumber(os.getenv "ORCHLUA_PROGRAMS") or 300
local DRIVEN = math.max(6, PROGRAMS // 25)
local SEED = (tonumber(os.getenv "SPEC_SEED") or 1) * 1000000

local function report(seed, text, differences)
  return ("seed %d\n%s\n%s"):format(seed, table.concat(differences, "\n"), text)
end

describe("a random program", function()
  it("gives the same compiled and interpreted", function()
    local endings = { completed = 0, failed = 0, running = 0 }
    for seed = SEED + 1, SEED + PROGRAMS do
      local text = programs.generate(seed)
      local differences, run = compare.both(text)
      assert.equal(0, #differences, report(seed, text, differences))
      endings[run.status] = endings[run.status] + 1
    end
    assert.is_true(endings.completed > PROGRAMS // 10 and endings.failed > PROGRAMS // 10)
  end)

  it("gives the same when its driver is killed and others go on", function()
    local kills = 0
    for seed = SEED + 1, SEED + DRIVEN do
      local text = programs.generate(seed, { independent = true })
      local folder = broken.folder()
      local seen, killed = compare.driven(folder, text, seed)
      kills = kills + killed
      local differences = compare.differences(seen, compare.interpreted(text))
      assert.equal(0, #differences, report(seed, text, differences) .. "\nin " .. folder)
      broken.remove(folder)
    end
    assert.is_true(kills > DRIVEN // 4)
  end)
end)
