-- Lua's collector: how the command has it work, and how it rests while something large is made.
-- What is made in the middle of its round it would find all at once, at the round's end, and keep
-- everything else waiting. So its round is brought to an end first, bit by bit; then it rests until the thing is made; the next round
-- finds it bit by bit. That is for the incremental mode, which the command has; in a host with
-- the generational one the collector goes back to it.

local M = {}

-- A round begins when memory in use is so many per cent of what the last one left. With Lua's own 200 much of the time
-- of many calls at once goes into rounds.
local PAUSE = 300

--- Has the collector work as the command needs it: no round keeps anybody waiting long, and the first one comes when
--- what was loaded has been outgrown, since loading makes no garbage worth one.
function M.begin()
  collectgarbage("incremental", PAUSE)
  collectgarbage "restart"
  collectgarbage("step", -math.ceil(collectgarbage "count"))
end

-- Steps of a round that a turn of the loop does: a millisecond or so.
local STEPS = 4

---@class orchlua.Collector
---@field package users integer   things that are made, or are about to be
---@field package ran boolean     it was running before the first of them
---@field package mode string     and in this mode
local Collector = {}
Collector.__index = Collector

-- A bit of the collector's round; true when the round has come to its end.
local function step_round()
  for _ = 1, STEPS do
    if collectgarbage("step", 0) then return true end
  end
  return false
end

--- Makes what a runtime asks of the collector.
function M.new() return setmetatable({ users = 0, ran = false, mode = "incremental" }, Collector) end

--- Has the collector rest, then calls `make()`.
---@param later fun(step: fun())   calls a step in a later turn of the loop
---@param make fun()
function Collector:rest(later, make)
  if self.users == 0 then
    self.ran = collectgarbage "isrunning"
    self.mode = collectgarbage "incremental"
  end
  self.users = self.users + 1
  local function step()
    if collectgarbage "isrunning" and not step_round() then return later(step) end
    collectgarbage "stop"
    make()
  end
  step()
end

--- A thing has been made.
function Collector:go_on()
  self.users = self.users - 1
  if self.users > 0 then return end
  if self.ran then collectgarbage "restart" end
  if self.mode == "generational" then collectgarbage "generational" end
end

--- What is still being made is given up.
function Collector:close()
  if self.users == 0 then return end
  self.users = 1
  self:go_on()
end

return M
