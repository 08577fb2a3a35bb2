-- A run and its sub-runs in one store, cut off at writes, at every one with ORCHLUA_KILLS: what goes on, and what is ended.

local broken = require "spec.support.broken"
local command = require "spec.support.command"
local core = require "orchlua.core"

local STEP = os.getenv "ORCHLUA_KILLS" and 1 or 5
-- Each run makes fewer writes than that.
local MOST = 5000

local PARENT = {
  -- Ends while the sub-run is at work, or waits.
  ["return"] = 'PARALLEL:\n  BRANCH: EVENT orchestration:run {file: "child.dsl"} AS r\n  BRANCH:\n    WAIT 0.02\n    RETURN "gone"\n',
  -- Has still something to do then.
  finally = 'PARALLEL:\n  BRANCH: EVENT orchestration:run {file: "child.dsl"} AS r\n  BRANCH:\n    TRY:\n      WAIT 0.02\n      RETURN "gone"\n' ..
    '    FINALLY:\n      EVENT completion:async {agent_id: "slow", prompt: "bye"} AS b\n',
}

local CHILD = {
  asks = 'TRY:\n  EVENT completion:async {agent_id: "hanging", prompt: "p"} AS r\nFINALLY:\n  PERSIST end {key: "child", data: {said: "bye"}}\n',
  waits = 'TRY:\n  AWAIT m FROM go TIMEOUT 1000\nFINALLY:\n  PERSIST end {key: "child", data: {said: "bye"}}\n',
}

local CONFIG = [[return { agents = {
  slow = function(request) require("orchlua").sleep(0.02) return request.prompt end,
  hanging = function() require("orchlua").sleep(5) return "never" end } }]]

describe("a sub-run", function()
  local folder
  after_each(function() command.remove(folder) end)

  local function write(files)
    for name, text in pairs(files) do
      local file <close> = assert(io.open(folder .. "/" .. name, "w"))
      file:write(text)
    end
  end

  local function how_they_stand()
    local out = command.shell(command.path .. " runs --store run.db --output json", folder)
    if out.status ~= 0 then return {} end
    local stand = {}
    for _, run in ipairs(core.json.decode(out.out)) do stand[run.run_id] = run.status end
    return stand
  end

  for parent, parent_text in pairs(PARENT) do
    for child, child_text in pairs(CHILD) do
      it(("is ended by `resume --all` wherever a crash left it between its parent's end and its own (%s, %s)"):format(parent, child), function()
        folder = broken.folder()
        write { ["p.dsl"] = parent_text, ["child.dsl"] = child_text, ["orchlua.config.lua"] = CONFIG }
        command.shell(command.path .. " - --store empty.db --quiet", folder, "RETURN 1")
        local at, orphans = 1, 0
        while true do
          command.shell("rm -f run.db*; cp empty.db run.db", folder)
          local cut_off = broken.killed(folder, "p.dsl --quiet --run-id one", at)
          local before = how_they_stand()
          if before.one == "completed" and before["one/1"] ~= "cancelled" then orphans = orphans + 1 end
          command.shell(command.path .. " resume --all --store run.db --quiet", folder)
          local after = how_they_stand()
          assert.equal(before.one and "completed", after.one, "killed at write " .. at)
          if after["one/1"] then assert.equal("cancelled", after["one/1"], "killed at write " .. at) end
          if not cut_off then break end
          at = at + STEP
          assert.is_true(at < MOST, "it dies at every write, and never comes to its end")
        end
        assert.is_true(at > 20 and orphans > 0, ("%d writes, %d times only the sub-run was left"):format(at, orphans))
      end)
    end
  end

  it("is ended when a corrected program takes its parent over, and asks anew", function()
    folder = broken.folder()
    write { ["p.dsl"] = 'EVENT orchestration:run {file: "child.dsl"} AS r\nRETURN r\n', ["q.dsl"] = "RETURN 7\n", ["child.dsl"] = CHILD.asks, ["orchlua.config.lua"] = CONFIG }
    command.shell(("%s p.dsl --store run.db --quiet --run-id one & sleep 0.3; kill -9 $!"):format(command.path), folder)
    assert.same({ one = "cut off", ["one/1"] = "cut off" }, how_they_stand())
    assert.equal("7\n", command.shell(command.path .. " resume one --program q.dsl --store run.db --quiet", folder).out)
    assert.same({ one = "completed", ["one/1"] = "cancelled" }, how_they_stand())
  end)
end)
