-- Time for the runtime: what time it is, and a heap of things due at a time.
-- The real clock reads the machine's; the virtual one stands still and jumps to
-- the next thing due when nothing else can happen, so that waits pass at once
-- and in their right order.

local M = {}

-- Something due is an array of these, since very many may wait at once: seconds on the clock's own scale;
-- what goes first at equal times; what is called, or false when that is over or called off; and with what.
local TIME <const>, ORDER <const>, CALL <const>, FIRST <const>, SECOND <const> = 1, 2, 3, 4, 5

---@alias orchlua.Due any[]

---@class orchlua.Clock
local Clock = {}
Clock.__index = Clock

--- What is due at equal times goes in this order, and in one of these what was created first.
M.REPLY, M.TIMER = 0, 1

-- The class is above all numbers of things in an order.
local CLASS <const> = 1 << 56

-- So many that were called off may lie in the heap, whatever else does.
local MANY = 64

-- 2000-01-01T00:00:00Z, where virtual time starts, in seconds since the epoch.
local VIRTUAL_START = 946684800

--- A clock of the machine's time: its `now` is the wall's.
---@param loop table   a core loop
---@param wall fun(): number   seconds since the epoch
function M.real(loop, wall)
  return setmetatable({ loop = loop, now = wall, heap = {}, count = 0, dead = 0, virtual = false }, Clock)
end

--- A clock that starts at 2000-01-01T00:00:00Z and passes waits at once.
function M.virtual()
  return setmetatable({ time_now = VIRTUAL_START, heap = {}, count = 0, dead = 0, virtual = true, held = 0 }, Clock)
end

--- Seconds since the epoch, as a program reads them.
function Clock:now() return self.time_now end

-- Seconds on the scale that things are due on: the machine's monotonic clock,
-- so that setting the system's clock moves no time-out.
function Clock:scale()
  return self.virtual and self.time_now or self.loop:now()
end

local function sift_up(heap, i)
  local item = heap[i]
  local time = item[TIME]
  while i > 1 do
    local above = i // 2
    local parent = heap[above]
    local other = parent[TIME]
    if other < time or other == time and parent[ORDER] < item[ORDER] then break end
    heap[i] = parent
    i = above
  end
  heap[i] = item
end

local function goes_before(a, b)
  return a[TIME] < b[TIME] or a[TIME] == b[TIME] and a[ORDER] < b[ORDER]
end

-- The child of a place that is due first, and where it stands; nil when it has none.
local function first_child(heap, i, size)
  local at = 2 * i
  local child = heap[at]
  if at >= size then return child, at end
  local other = heap[at + 1]
  if goes_before(other, child) then return other, at + 1 end
  return child, at
end

local function sift_down(heap, i)
  local item, size = heap[i], #heap
  local child, at = first_child(heap, i, size)
  while child and goes_before(child, item) do
    heap[i] = child
    i = at
    child, at = first_child(heap, i, size)
  end
  heap[i] = item
end

local function pop(heap)
  local top, last = heap[1], table.remove(heap)
  if #heap > 0 then
    heap[1] = last
    sift_down(heap, 1)
  end
  return top
end

-- Takes the dead out, once they are the greater part.
local function compact(self)
  local heap = {}
  for _, due in ipairs(self.heap) do
    if due[CALL] then
      heap[#heap + 1] = due
      sift_up(heap, #heap)
    end
  end
  self.heap, self.dead = heap, 0
end

--- Calls `call(first, second)` in `seconds`.
---@param seconds number
---@param class integer   `REPLY` or `TIMER`
---@param call fun(first: any, second: any)
---@param first? any
---@param second? any
---@return orchlua.Due
function Clock:after(seconds, class, call, first, second)
  self.count = self.count + 1
  local due = { self:scale() + (seconds + 0.0), class * CLASS + self.count, call, first, second }
  local heap = self.heap
  heap[#heap + 1] = due
  sift_up(heap, #heap)
  return due
end

--- Calls something off; what it would have called is let go at once.
function Clock:cancel(due)
  if not due[CALL] then return end
  due[CALL], due[FIRST], due[SECOND] = false, nil, nil
  local dead = self.dead + 1
  self.dead = dead
  if dead > MANY and dead > #self.heap // 2 then compact(self) end
end

--- Seconds until something is due.
---@param due orchlua.Due
---@return number
function Clock:left(due) return due[TIME] - self:scale() end

--- Whether something is still due: neither called nor called off.
---@param due orchlua.Due
function M.is_pending(due) return due[CALL] ~= false end

-- The next thing due, with the dead in front of it gone: virtual time jumps to no other.
local function head(self)
  local heap = self.heap
  while heap[1] and not heap[1][CALL] do
    pop(heap)
    self.dead = self.dead - 1
  end
  return heap[1]
end

-- Takes the first out of the heap and calls it, unless it was called off.
local function call_first(self)
  local due = pop(self.heap)
  local call = due[CALL]
  if not call then
    self.dead = self.dead - 1
    return false
  end
  due[CALL] = false
  call(due[FIRST], due[SECOND])
  return true
end

local function next_virtual(self)
  local due = head(self)
  if not due then return nil end
  return self.held > 0 and due[TIME] > self.time_now and math.huge or 0
end

--- Seconds until the next thing is due; nil when nothing is. On the real clock it may be something that was called
--- off: most time-outs are, and looking at the clock in vain costs less than taking each of them out of the heap.
---@return number?
function Clock:next()
  if self.virtual then return next_virtual(self) end
  if self.dead == #self.heap then return nil end
  return math.max(0, self.heap[1][TIME] - self:scale())
end

local function fire_virtual(self)
  local due = head(self)
  if not due then return false end
  if due[TIME] > self.time_now then
    if self.held > 0 then return false end
    self.time_now = due[TIME]
  end
  return call_first(self)
end

--- Calls what is due: on the real clock all that is, on the virtual one the next
--- thing, after the clock has jumped to it.
---@return boolean called
function Clock:fire()
  if self.virtual then return fire_virtual(self) end
  local now, called = self:scale(), false
  while self.heap[1] and self.heap[1][TIME] <= now do
    called = call_first(self) or called
  end
  return called
end

--- Keeps virtual time still while something outside the process is in flight.
function Clock:hold()
  if self.virtual then self.held = self.held + 1 end
end

function Clock:release()
  if self.virtual then self.held = self.held - 1 end
end

return M
