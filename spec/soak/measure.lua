-- What the soak watches of a process: its memory, its open files, its children.

local lfs = require "lfs"
local orchlua = require "orchlua"

local M = {}

local function read(path)
  local file = io.open(path)
  if not file then return "" end
  local text = file:read "a"
  file:close()
  return text
end

--- Kilobytes in memory.
function M.rss() return tonumber(read("/proc/self/status"):match "VmRSS:%s*(%d+)") end

--- Kilobytes that Lua holds, once it has collected all it can.
function M.lua()
  collectgarbage()
  collectgarbage()
  return collectgarbage "count"
end

--- Open file descriptors, without the one that looks.
function M.files()
  local found = -1
  for name in lfs.dir "/proc/self/fd" do
    if name:find "%d" then found = found + 1 end
  end
  return found
end

--- Child processes.
function M.children()
  local found = 0
  local pid = read("/proc/self/stat"):match "^%d+"
  for _ in read(("/proc/%s/task/%s/children"):format(pid, pid)):gmatch "%d+" do found = found + 1 end
  return found
end

--- All of it.
---@param runtime? orchlua.Runtime   its open handles are counted, too
function M.all(runtime)
  return { lua = M.lua(), rss = M.rss(), files = M.files(), children = M.children(), handles = runtime and runtime.loop_handle:handles() or 0 }
end

--- What a process holds before it has begun: libuv opens two files once, with the first loop.
function M.start()
  orchlua.runtime { config = {} }:close()
  return M.all()
end

-- The mean of one field over samples first..last.
local function mean(samples, field, first, last)
  local sum = 0
  for i = first, last do sum = sum + samples[i][field] end
  return sum / (last - first + 1)
end

--- How much a field grows over samples taken at equal distances: the mean of the last
--- third, less that of the first.
---@param samples table[]
---@param field string
function M.growth(samples, field)
  local third = math.max(1, #samples // 3)
  return mean(samples, field, #samples - third + 1, #samples) - mean(samples, field, 1, third)
end

return M
