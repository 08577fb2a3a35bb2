-- The rock: its list of files is the tree's, and what it installs runs from any folder.

local command = require "spec.support.command"

local ROCKSPEC = "rocks/orchlua-scm-1.rockspec"

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

describe("the rock", function()
  it("lists every module and every C file of the tree", function()
    local before = read(ROCKSPEC)
    local copy = os.tmpname()
    command.shell(("cp %s %s && lua5.4 rocks/modules.lua %s"):format(ROCKSPEC, copy, copy), ".")
    assert.equal(read(copy), before, "run `make rockspec`")
    os.remove(copy)
  end)

  it("lints and installs without a network, and its command runs an example from any folder", function()
    local folder = command.folder {}
    local made = command.shell("make rock R=" .. folder .. "/rock", ".")
    assert.equal(0, made.status, made.out .. made.err)
    local example = io.popen "pwd":read "l" .. "/examples/pipeline/pipeline.dsl"
    local r = command.shell(("unset LUA_PATH LUA_CPATH; rock/tree/bin/orchlua %s --quiet"):format(example), folder)
    assert.equal(0, r.status, r.err)
    assert.is_true(#r.out > 100)
    assert.matches("pipeline", command.shell("unset LUA_PATH LUA_CPATH; rock/tree/bin/orchlua patterns", folder).out)
    local paths = read("docs/library.md"):match "```sh rock\n(.-)```":gsub("build/rock", "rock")
    assert.equal("true\n", command.shell("unset LUA_PATH LUA_CPATH; " .. paths .. "cd /; lua5.4 -e 'print(require \"orchlua\".pattern \"pipeline\" ~= nil)'", folder).out)
    command.remove(folder)
  end)
end)
