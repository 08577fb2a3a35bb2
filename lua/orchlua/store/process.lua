-- Who a driver is, and whether it is still there: host, boot id, process id and the
-- process's start time. On the same host a dead driver holds nothing from the moment
-- it died; anywhere else its lease runs out. So it does in a container that numbers its
-- processes for itself: from outside nobody can tell whether one of them is alive.

local lfs = require "lfs"

local M = {}

local function first_line(path)
  local file = io.open(path, "r")
  if not file then return nil end
  local line = file:read "l"
  file:close()
  return line
end

-- What the system says of a process, from its state on (proc(5), fields 3 and up), and its id.
local function stat_fields(pid)
  local stat = first_line(("/proc/%s/stat"):format(pid))
  local number, rest = (stat or ""):match "^(%d+).*%)%s+(.*)$"
  if not rest then return nil end
  local fields = {}
  for field in rest:gmatch "%S+" do fields[#fields + 1] = field end
  return fields, math.tointeger(tonumber(number))
end

-- A process that is ending (PF_EXITING), or that SIGKILL is on its way to, will never
-- run a line of ours again, though the system may still know it for a moment.
local EXITING, KILL = 0x4, 0x100

local function dying(pid, fields)
  if fields[1] == "Z" or fields[1] == "X" or (math.tointeger(tonumber(fields[7])) or 0) & EXITING ~= 0 then return true end
  local file = io.open(("/proc/%s/status"):format(pid), "r")
  local status = file and file:read "a" or ""
  if file then file:close() end
  for pending in status:gmatch "S[hi][dg]Pnd:%s*(%x+)" do
    if tonumber(pending:sub(-8), 16) & KILL ~= 0 then return true end
  end
  return false
end

-- The time at which a process started, in the host's clock ticks; nil when there is no
-- such process any more.
local function started(pid)
  local fields = stat_fields(pid)
  if not fields or dying(pid, fields) then return nil end
  return fields[20]
end

-- The boot, and the numbering of processes that this one sees, which the system names `pid:[4026531836]`.
local function boot_here()
  local numbering = (lfs.symlinkattributes("/proc/self/ns/pid", "target") or ""):match "%d+"
  return (first_line "/proc/sys/kernel/random/boot_id" or "") .. (numbering and " " .. numbering or "")
end

--- This process.
---@return { host: string, boot: string, pid: integer, started: string }   boot: its id, and who numbers the processes there
function M.this()
  local fields, pid = stat_fields "self"
  return {
    host = first_line "/proc/sys/kernel/hostname" or "localhost", boot = boot_here(), pid = pid or 0, started = fields and fields[20] or "",
  }
end

--- Whether a driver is known to be dead: it ran here, and is gone.
---@param driver { host: string, boot: string, pid: integer, started: string }
---@param here table   as `this` gives it
function M.dead(driver, here)
  if driver.host ~= here.host then return false end
  if driver.boot:match "^%S*" ~= here.boot:match "^%S*" then return true end
  if driver.boot ~= here.boot and driver.boot:find " " then return false end
  return here.started ~= "" and started(driver.pid) ~= driver.started
end

return M
