-- The memory ceiling of runs. A guard in the core counts what is allocated while a run is
-- driven. When that is more than the run has room for, what the run holds is weighed, at the
-- next place where its program may raise: garbage, and what other runs hold, do not count. A
-- statement that asks for far more than the ceiling at once is refused by the guard itself.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local failure = require "orchlua.run.failure"
local limits = require "orchlua.run.limits"
local snapshot = require "orchlua.run.snapshot"

local memory = core.memory

local M = {}

-- Bytes beyond its ceiling that a run may take until a place is reached where it can be told.
local ROOM = 64 * 1024 * 1024
-- A run that was weighed is weighed again when it has allocated this part of its ceiling.
local PART = 8

---@class orchlua.Ceiling
---@field package guard orchlua.core.Guard
local Ceiling = {}
Ceiling.__index = Ceiling

--- Makes the ceiling that the runs of a runtime are under, one at a time.
function M.new() return setmetatable({ guard = memory.guard() }, Ceiling) end

--- A run is driven from here on.
---@param run orchlua.Run
function Ceiling:enter(run)
  local ceiling = run.limits.memory
  self.guard:arm(ceiling + ceiling // 2 + ROOM)
end

--- A run is not driven any more.
---@param run orchlua.Run
function Ceiling:leave(run)
  run.room = run.room - self.guard:disarm()
end

--- At a place where a program may raise: whether the run has room left.
---@param run orchlua.Run
function Ceiling:look(run)
  local allocated = self.guard:allocated()
  if allocated <= run.room then return end
  local ceiling = run.limits.memory
  local held = snapshot.weigh(run, failure.temporaries(run))
  run.room = math.max(ceiling - held, ceiling // PART) + allocated
  if held <= ceiling then return end
  error(limits.reached("memory", ("the run holds more than %s"):format(limits.size(ceiling)),
    { hint = "keep less in names and messages, or raise --max-memory" }), 0)
end

--- What stopped a run that was refused memory: it asked for far more than its ceiling at
--- once, or the machine has no more.
---@param run orchlua.Run
---@param message string   Lua's own
---@return orchlua.Error
function Ceiling:refused(run, message)
  if self.guard:allocated() < run.limits.memory then return errors.new("limit", tostring(message)) end
  return limits.reached("memory", ("a statement of the run asked for far more memory than %s"):format(limits.size(run.limits.memory)),
    { hint = "make smaller values, or raise --max-memory", uncatchable = true })
end

return M
