-- Runs the real command for the specs, in a folder of its own.

local M = {}

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local here = io.popen "pwd":read "l"

--- The command under test.
M.path = (os.getenv "ORCHLUA" or "build/orchlua"):gsub("^[^/]", here .. "/%0")

--- The store that commands use unless a spec gives another: thrown away with the specs.
M.store = io.popen "mktemp -d":read "l" .. "/specs.db"

--- Makes a folder with files; gives its path. Remove it with `remove`.
---@param files table<string, string>
function M.folder(files)
  local path = io.popen "mktemp -d":read "l"
  for name, text in pairs(files or {}) do
    local file = assert(io.open(path .. "/" .. name, "wb"))
    file:write(text)
    file:close()
  end
  return path
end

function M.remove(path) os.execute("rm -rf " .. quote(path)) end

local function written(text)
  local name = os.tmpname()
  local file = assert(io.open(name, "wb"))
  file:write(text)
  file:close()
  return name
end

local function read(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read "a"
  file:close()
  os.remove(name)
  return text
end

--- Runs a shell text in a folder, for a minute at most.
---@return { status: integer, out: string, err: string }
function M.shell(script, folder, stdin)
  local input, errors = written(stdin or ""), os.tmpname()
  local pipe = io.popen(("cd %s && ORCHLUA_STORE=%s timeout 60 sh -c %s <%s 2>%s; echo \"status=$?\""):format(
    quote(folder or "."), quote(M.store), quote(script), input, errors))
  local out, status = pipe:read("a"):match "^(.*)status=(%d+)\n$"
  pipe:close()
  os.remove(input)
  return { status = tonumber(status), out = out, err = read(errors) }
end

--- Runs `orchlua ARGUMENTS` (a shell text) in a folder.
function M.run(arguments, folder, stdin)
  return M.shell(quote(M.path) .. " " .. arguments, folder, stdin)
end

return M
