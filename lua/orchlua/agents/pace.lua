-- How many calls that leave the process begin in a turn of the loop. With thousands at once, those that are
-- answered soon leave what they needed, a coroutine, a connection, to the next ones while it is still at hand.

local M = {}

-- Calls that begin in a turn.
local STARTS = 16

---@class orchlua.agents.Pace
---@field begun integer   calls that began in this turn
---@field first integer   those that wait lie from `first` to `last`
---@field last integer
local Pace = {}
Pace.__index = Pace

--- Makes the pace of a loop.
---@param loop any
function M.new(loop)
  local self = setmetatable({ loop = loop, begun = 0, first = 1, last = 0, turning = false }, Pace)
  self.on_turn = function() self:turn() end
  return self
end

-- From the first call that begins on, each turn is heard of, until one in which none began.
local function begin(self, call, start)
  self.begun = self.begun + 1
  if not self.turning then
    self.turning = true
    self.loop:defer(self.on_turn)
  end
  start(call)
end

--- Has `start(call)` called: at once, or in a later turn, unless the call has ended or makes another try by then.
---@param call { ended: boolean, attempt: integer }
---@param start fun(call: table)
function Pace:enter(call, start)
  if self.begun < STARTS and self.first > self.last then return begin(self, call, start) end
  self.last = self.last + 1
  self[self.last] = { call = call, attempt = call.attempt, start = start }
end

-- Takes the call that has waited longest.
local function take(self)
  local waiting = self[self.first]
  self[self.first] = nil
  self.first = self.first + 1
  return waiting
end

--- A turn has begun: the next calls do, too.
function Pace:turn()
  self.begun, self.turning = 0, false
  while self.begun < STARTS and self.first <= self.last do
    local waiting = take(self)
    local call = waiting.call
    if not call.ended and call.attempt == waiting.attempt then begin(self, call, waiting.start) end
  end
  if self.first > self.last then self.first, self.last = 1, 0 end
end

return M
