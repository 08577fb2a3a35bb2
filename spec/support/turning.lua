-- For the specs of the loop itself: runs work in a coroutine of a new loop, and
-- refuses what it leaves behind: handles, files, children.

local core = require "orchlua.core"
local lfs = require "lfs"

local M = {}

core.loop.new():close() -- libuv keeps two files of its own from the first loop on

local function entries(folder)
  local list = {}
  for name in lfs.dir(folder) do list[#list + 1] = name end
  return list
end

--- The id of this process.
function M.pid()
  local file <close> = assert(io.open "/proc/self/stat")
  return file:read "n"
end

--- How many files this process has open.
function M.files() return #entries "/proc/self/fd" end

--- The state of a process ("R", "S", "Z", …), its parent and its group, or nil when it is gone.
function M.process(pid)
  local file <close> = io.open(("/proc/%d/stat"):format(pid))
  local text = file and file:read "a"
  if not text then return nil end
  local state, parent, group = text:match "^%d+ %(.*%) (%S) (%d+) (%d+)"
  return state, tonumber(parent), tonumber(group)
end

--- Whether a process runs: it is there, and no zombie.
function M.is_running(pid)
  local state = M.process(pid)
  return state ~= nil and state ~= "Z"
end

--- The ids of the running processes of a group.
function M.group(leader)
  local members = {}
  for _, name in ipairs(entries "/proc") do
    local pid = math.tointeger(name)
    local state, _, group = nil, nil, nil
    if pid then state, _, group = M.process(pid) end
    if group == leader and state ~= "Z" then members[#members + 1] = pid end
  end
  return members
end

--- How many children of this process are zombies.
function M.zombies()
  local count, own = 0, M.pid()
  for _, name in ipairs(entries "/proc") do
    local state, parent
    if math.tointeger(name) then state, parent = M.process(name) end
    if state == "Z" and parent == own then count = count + 1 end
  end
  return count
end

--- Waits inside a coroutine.
function M.sleep(loop, seconds)
  local timer <close> = loop:timer(seconds)
  timer:wait()
end

--- Waits inside a coroutine until `holds()`, for 5 s at most; whether it does.
function M.eventually(loop, holds)
  for _ = 1, 250 do
    if holds() then return true end
    M.sleep(loop, 0.02)
  end
  return holds()
end

local function turn_until(loop, is_done, seconds)
  local last = core.loop.clock() + seconds
  while not is_done() do
    local active = loop:turn(0.1)
    assert(active or is_done(), "the loop is idle and the work has not ended")
    assert(core.loop.clock() < last, "the work takes too long")
  end
end

local function close(loop)
  collectgarbage()
  collectgarbage()
  local left = loop:handles()
  loop:close()
  return left
end

--- Calls `work(loop)` in a coroutine and turns the loop until it has returned, at
--- most for 60 s; returns what it returned or raises what it raised.
---@param work fun(loop: any): ...
function M.run(work)
  collectgarbage()
  local before = M.files()
  local loop = core.loop.new()
  local results
  local ok, problem = pcall(function()
    loop:defer(function() -- so that all of it is inside turns
      loop:resume(coroutine.create(function() results = table.pack(pcall(work, loop)) end))
    end)
    turn_until(loop, function() return results ~= nil end, 60)
  end)
  local left = close(loop)
  if not ok then error(problem, 0) end
  if not results[1] then error(results[2], 0) end
  assert(left == 0, left .. " handles were left open")
  assert(M.files() <= before, "files were left open")
  assert(M.zombies() == 0, "zombies were left")
  return table.unpack(results, 2, results.n)
end

--- Runs every function in a coroutine of its own, and waits inside one until all
--- have ended.
function M.all(loop, works)
  local left = #works
  for _, work in ipairs(works) do
    loop:resume(coroutine.create(function()
      work()
      left = left - 1
    end))
  end
  while left > 0 do M.sleep(loop, 0.01) end
end

return M
