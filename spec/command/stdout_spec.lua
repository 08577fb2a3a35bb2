-- Standard output that cannot be written, is closed, or that nobody reads to its end.

local command = require "spec.support.command"
local core = require "orchlua.core"

local FULL = "orchlua: standard output cannot be written: No space left on device\n"

describe("standard output", function()
  local folder

  local function shell(script) return command.shell("O=" .. command.path .. "; " .. script, folder) end

  before_each(function()
    folder = command.folder {
      ["five.dsl"] = "RETURN 5", ["many.dsl"] = "FOREACH i IN RANGE(5000):\n  TRACK {i: i}\nRETURN 5", ["failing.dsl"] = "FAIL 'no'",
      ["parked.dsl"] = "AWAIT x FROM person",
    }
  end)
  after_each(function() command.remove(folder) end)

  it("that cannot be written is an error of every command", function()
    shell "$O five.dsl --store s.db"
    for _, arguments in ipairs { "five.dsl --quiet --store :memory:", "five.dsl --output json --quiet --store :memory:",
      "many.dsl --output events --quiet --store :memory:", "runs --store s.db", "runs --output json --store s.db", "check five.dsl", "check five.dsl --format json",
      "patterns", "--help", "run --help", "--version" } do
      local r = shell("$O " .. arguments .. " > /dev/full")
      assert.equal(1, r.status, arguments)
      assert.equal(FULL, r.err, arguments)
    end
  end)

  it("that cannot be written leaves a status that says more as it is", function()
    assert.equal(1, shell("$O failing.dsl --output json > /dev/full").status)
    assert.equal(4, shell("$O parked.dsl --output json --until-parked > /dev/full").status)
    assert.equal(2, shell("echo 'STATE x =' > w.dsl; $O check w.dsl > /dev/full").status)
  end)

  it("that cannot be written does not harm a run, and its result is kept", function()
    local r = shell "$O five.dsl --run-id r --quiet --store s.db > /dev/full"
    assert.equal("orchlua: run r completed, and its result is kept: orchlua show r --output json --store s.db\n" .. FULL, r.err)
    assert.equal(5, core.json.decode(shell("$O show r --output json --store s.db").out).result)
    assert.equal(1, shell("$O many.dsl --run-id m --quiet --output events --store s.db > /dev/full").status)
    assert.equal("completed", core.json.decode(shell("$O show m --output json --store s.db").out).status)
  end)

  it("that nobody reads to its end is no error, and the run goes on", function()
    local r = shell "{ $O many.dsl --output events --quiet --run-id r --store s.db; echo status $? >&2; } | head -1"
    assert.matches("run:started", r.out)
    assert.equal("status 0\n", r.err)
    assert.equal("completed", core.json.decode(shell("$O show r --output json --store s.db").out).status)
  end)

  it("that is closed is no other file, nor is standard input or error", function()
    local r = shell "$O five.dsl --quiet --store s.db >&-"
    assert.equal(1, r.status)
    assert.matches("cannot be written: Bad file descriptor\n$", r.err)
    assert.matches("completed", shell("$O runs --store s.db").out)
    assert.equal("5\n", shell("$O five.dsl --store s.db 2>&-").out)
    assert.equal("5\n", shell("$O five.dsl --quiet --store s.db <&-").out)
    assert.equal("error: cannot read standard input: Bad file descriptor\n", shell("$O - --store s.db <&-").err)
  end)

  it("is written in one place", function()
    assert.equal("lua/orchlua/command/stdout.lua\n", command.shell "grep -rlE 'io\\.stdout|io\\.write|print\\(' lua".out)
  end)
end)
