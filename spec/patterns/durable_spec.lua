-- Patterns are durable: killed in the middle, they go on without asking an agent twice
-- for an answer that was recorded, and with the same prompts.

local broken = require "spec.support.broken"

-- The run makes fewer requests than that.
local MOST = 200

describe("a run in the middle of patterns", function()
  local program
  before_each(function() program, broken.program = broken.program, "spec/support/patterns.dsl" end)
  after_each(function() broken.program = program end)

  for _, snapshots in ipairs { false, true } do
    it("goes on after a kill in any request, " .. (snapshots and "with a snapshot at every rest" or "by its rows"), function()
      local number, killed = 1
      repeat
        local folder = broken.folder()
        local status, text = broken.drive(folder, "start", { request = number, snapshots = snapshots })
        killed = status == "killed"
        if killed then
          text = broken.finish(folder, function(n) return { request = n == 1 and 2 or nil, snapshots = snapshots } end)
        end
        assert.matches('^completed\t{"gathered":2,"chatted":6,"nested":2,"piped":2,"worked":3}', text)
        local problems = {}
        broken.check_log(folder, killed and 3 or 1, problems)
        assert.equal("", table.concat(problems, "\n"), "killed in request " .. number)
        broken.remove(folder)
        number = number + 1
        assert.is_true(number < MOST, "the run is killed in every request, and never comes to its end")
      until not killed
      assert.is_true(number > 15)
    end)
  end
end)
