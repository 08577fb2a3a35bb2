-- `make install` puts everything where the installed command finds it.

local command = require "spec.support.command"

describe("make install", function()
  it("makes a command that runs from any folder", function()
    local folder = command.folder { ["p.dsl"] = "RETURN 6 * 7" }
    local made = command.shell("make -s install PREFIX=/usr DESTDIR=" .. folder .. "/root", ".")
    assert.equal(0, made.status, made.err)
    local r = command.shell("unset LUA_PATH LUA_CPATH; root/usr/bin/orchlua p.dsl --quiet", folder)
    assert.equal("42\n", r.out, r.err)
    r = command.shell("unset LUA_PATH LUA_CPATH; root/usr/bin/orchlua patterns", folder)
    assert.matches("consensus.*pipeline.*self_improving", r.out)
    command.shell("mkdir orchlua && echo none >orchlua/core.so", folder)
    for _, path in ipairs { "root/usr/bin/orchlua", command.path } do
      r = command.shell("unset LUA_PATH LUA_CPATH; " .. path .. " p.dsl --quiet --store :memory:", folder)
      assert.equal("42\n", r.out, "the current folder's core was taken: " .. r.err)
    end
    local checkout = command.shell("cd lua && find -L orchlua -name '*.lua' | sort", ".").out
    local installed = command.shell("cd root/usr/share/lua/5.4 && find orchlua -name '*.lua' | sort", folder).out
    assert.equal(checkout, installed)
    command.remove(folder)
  end)

  it("makes a module that Lua finds as the library's page says, and so is the checkout's", function()
    local folder = command.folder {}
    command.shell("make -s install PREFIX=" .. folder .. "/root", ".")
    local page = io.open "docs/library.md"
    local text = page:read "a"
    page:close()
    for label, how in pairs { checkout = "cd " .. io.popen "pwd":read "l", installed = "PREFIX=" .. folder .. "/root" } do
      local export = text:match("```sh " .. label .. "\n(.-)```")
      local r = command.shell(("unset LUA_PATH LUA_CPATH; %s; %s cd /; lua5.4 -e 'print(require \"orchlua\".pattern \"pipeline\" ~= nil)'"):format(how, export), folder)
      assert.equal("true\n", r.out, label .. ": " .. r.err)
    end
    command.remove(folder)
  end)
end)

describe("the command that is built", function()
  it("has the patterns, from any folder", function()
    local folder = command.folder {
      ["p.dsl"] = 'EVENT pattern:consensus {participants: ["ada", "bob"], proposal: "x"} AS c\nRETURN c.decision',
      ["orchlua.config.lua"] = 'return { agents = { ["*"] = function() return { vote = "approve" } end } }',
    }
    local r = command.shell(("unset LUA_PATH LUA_CPATH; %s patterns && %s p.dsl --quiet"):format(command.path, command.path), folder)
    assert.equal("", r.err)
    assert.matches("consensus.*pipeline.*self_improving.*approved\n$", r.out)
    command.remove(folder)
  end)

  it("loads no pattern from the current folder that no configuration names", function()
    local folder = command.folder {
      ["x.lua"] = 'return { name = "x", params = {}, run = function() return { output = "from here" } end }',
      ["p.dsl"] = "EVENT pattern:x {} AS r\nRETURN r.output",
      ["orchlua.config.lua"] = 'return { agents = { a = function() end } }',
      ["named.lua"] = 'return { agents = { a = function() end }, patterns = { "orchlua.patterns.x" } }',
    }
    command.shell("mkdir -p orchlua/patterns && mv x.lua orchlua/patterns", folder)
    for _, trace in ipairs { "", "ORCHLUA_TRACE=1 " } do
      local r = command.shell(("unset LUA_PATH LUA_CPATH; %s%s p.dsl --quiet --store :memory:"):format(trace, command.path), folder)
      assert.equal(1, r.status)
      assert.matches("there is no pattern `x`", r.err, 1, true)
      r = command.shell(("unset LUA_PATH LUA_CPATH; %s%s patterns"):format(trace, command.path), folder)
      assert.matches("consensus", r.out)
      assert.is_nil(r.out:find("\nx ", 1, true))
    end
    local checked = command.shell(("unset LUA_PATH LUA_CPATH; %s check p.dsl; %s check p.dsl --config named.lua"):format(command.path, command.path), folder)
    assert.matches("p.dsl:1:7: warning: there is no pattern `x`.*1 warning\n0 errors, 0 warnings", checked.out)
    local r = command.shell(("unset LUA_PATH LUA_CPATH; %s p.dsl --quiet --store :memory: --config named.lua"):format(command.path), folder)
    assert.equal("from here\n", r.out, r.err)
    command.shell("mkdir elsewhere", folder)
    r = command.shell(("unset LUA_PATH LUA_CPATH; %s ../p.dsl --quiet --store :memory: --config ../named.lua"):format(command.path), folder .. "/elsewhere")
    assert.equal("from here\n", r.out, r.err)
    command.shell("mv orchlua other", folder)
    r = command.shell(("unset LUA_PATH LUA_CPATH; %s p.dsl --quiet --store :memory: --config named.lua"):format(command.path), folder)
    assert.matches("cannot be loaded: module 'orchlua.patterns.x' not found\n", r.err, 1, true)
    command.remove(folder)
  end)
end)
