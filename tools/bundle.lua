-- Bundles the Lua files under lua/, and argparse, as bytecode in one file, so that the
-- command starts in a fraction of the time:
--   lua5.4 tools/bundle.lua FILE
-- The file is a chunk: run, it puts a loader for each of its modules into package.preload, which loads one when
-- it is asked for. Line numbers are left out: ORCHLUA_TRACE has the command load the files.

local lfs = require "lfs"

local to = assert(arg[1], "usage: tools/bundle.lua FILE")

local modules = {}

local function add(name, path)
  modules[#modules + 1] = ("[%q] = %q"):format(name, string.dump(assert(loadfile(path)), true))
end

local function add_all(folder, prefix)
  for file in lfs.dir(folder) do
    local path, name = folder .. "/" .. file, file:match "^(.*)%.lua$"
    if name then
      add(name == "init" and prefix or prefix .. "." .. name, path)
    elseif not file:find "^%." and lfs.attributes(path, "mode") == "directory" then
      add_all(path, prefix .. "." .. file)
    end
  end
end

add_all("lua/orchlua", "orchlua")
local argparse = package.searchpath("argparse", package.path)
if argparse then add("argparse", argparse) end
table.sort(modules)

local chunk = assert(load(([[
local modules = { %s }
for name, code in pairs(modules) do
  package.preload[name] = function(...)
    local module = assert(load(code, name, "b"))(...)
    package.preload[name] = nil
    return module
  end
end
]]):format(table.concat(modules, ", ")), "=bundle"))
local file = assert(io.open(to, "wb"))
assert(file:write(string.dump(chunk, true)))
assert(file:close())
