-- Who may ask an agent now: at most `limit` requests have a place, the others
-- wait in line. Each run has a line of its own and the lines take turns, so
-- that a run with 10,000 requests does not keep another's one waiting. Every
-- operation takes constant time, and none of them waits or needs a coroutine.

local admission = require "orchlua.agents.admission"

local M = {}

-- A list whose elements know their neighbours: first in, first out, and any
-- element can be taken out of the middle. The list is its own sentinel.

local function new_list()
  local list = {}
  list.next, list.previous = list, list
  return list
end

local function append(list, element)
  local last = list.previous
  element.previous, element.next = last, list
  last.next, list.previous = element, element
end

local function unlink(element)
  local previous, next = element.previous, element.next
  previous.next, next.previous = next, previous
  element.previous, element.next = nil, nil
end

local function is_empty(list) return list.next == list end

---@class orchlua.agents.Queue
---@field limit integer    requests that may have a place at a time
---@field active integer   requests that have one
---@field waiting integer  requests in line
---@field package name string?
---@field package lines table
---@field package line_of table
---@field package entry_of table
---@field package admitting boolean
local Queue = {}
Queue.__index = Queue

---@class orchlua.agents.Queued
---@field run_id string  the line it waits in
---@field queued "place"|"guest"|"line"|false|nil   what it has here; the queue's own, and one queue's at a time

--- Makes a queue for one agent.
---@param limit integer
---@param name? string  the agent's name, as call paths have it
---@return orchlua.agents.Queue
function M.new(limit, name)
  return setmetatable({
    limit = limit, name = name, active = 0, waiting = 0,
    lines = new_list(), -- the lines that have someone in them, in the order of their turns
    line_of = {},       -- run id → its line in `lines`
    entry_of = {},      -- request → its entry in a line
    admitting = false
  }, Queue)
end

-- Takes out the request whose turn it is; its line goes to the back.
local function take_next(self)
  local line = self.lines.next
  local entry = line.entries.next
  self:remove(entry.request)
  if not is_empty(line.entries) then
    unlink(line)
    append(self.lines, line)
  end
  return entry
end

local function admit_waiting(self)
  while self.waiting > 0 and self.active < self.limit do
    local entry = take_next(self)
    self.active = self.active + 1
    entry.request.queued = "place"
    entry.start(entry.request)
  end
end

local function admit(self) admission.once(self, admit_waiting) end

local function stand_in_line(self, request, start)
  local line = self.line_of[request.run_id]
  if not line then
    line = { run_id = request.run_id, entries = new_list() }
    self.line_of[request.run_id] = line
    append(self.lines, line)
  end
  local entry = { request = request, start = start, line = line }
  append(line.entries, entry)
  self.entry_of[request] = entry
  request.queued = "line"
  self.waiting = self.waiting + 1
end

--- Asks for a place. `start(request)` is called when the request gets it: before
--- `enter` returns if there is room, else out of another's `leave`. With this
--- queue's own agent on `path` the request was sent from inside that agent's
--- call: it starts at once and takes no place, so that an agent cannot lock itself out.
---@param request orchlua.agents.Queued  any table; it stands for itself until it leaves
---@param start fun(request: table)      must not raise
---@param path? table<string, boolean>   the names of the agents whose calls this request is inside of
function Queue:enter(request, start, path)
  if request.queued then error("the request is in the queue already", 2) end
  if path and self.name and path[self.name] then
    request.queued = "guest"
    start(request)
  elseif self.waiting == 0 and self.active < self.limit then
    self.active = self.active + 1
    request.queued = "place"
    start(request)
  else
    stand_in_line(self, request, start)
    admit(self)
  end
end

--- Takes a request that waits out of the line.
---@param request table
---@return boolean waited  false when it was not in line: it has started, left, or never came
function Queue:remove(request)
  local entry = self.entry_of[request]
  if not entry then return false end
  self.entry_of[request] = nil
  request.queued = false
  self.waiting = self.waiting - 1
  local line = entry.line
  unlink(entry)
  if is_empty(line.entries) then
    unlink(line)
    self.line_of[line.run_id] = nil
  end
  return true
end

--- Ends what `enter` began, wherever the request is: gives back its place and
--- starts whoever is next, or takes it out of the line.
---@param request table
---@return boolean left  false when it had left before
function Queue:leave(request)
  local held = request.queued
  if held == "line" then return self:remove(request) end
  if not held then return false end
  request.queued = false
  if held == "place" then
    self.active = self.active - 1
    if self.waiting > 0 then admit(self) end
  end
  return true
end

return M
