-- How many calls that leave the process begin in a turn of the loop. With thousands at once, those that are
-- answered soon leave what they needed, a coroutine, a connection, to the next ones while it is still at hand.

local M = {}

-- Calls that begin in a turn.
local STARTS = 64

---@class orchlua.agents.Pace
---@field begun integer   calls that began in this turn
---@field waiting integer calls that wait
---@field going table     those that waited first: each call, its attempt and what begins it, from `at` on
---@field at integer
---@field coming table    those behind them, up to `last`: it is `going` next, so that places are used again
---@field last integer
local Pace = {}
Pace.__index = Pace

--- Makes the pace of a loop.
---@param loop any
function M.new(loop)
  local self = setmetatable({ loop = loop, begun = 0, turning = false, waiting = 0, going = {}, at = 1, coming = {}, last = 0 }, Pace)
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
  if self.begun < STARTS and self.waiting == 0 then return begin(self, call, start) end
  local coming, last = self.coming, self.last
  coming[last + 1], coming[last + 2], coming[last + 3] = call, call.attempt, start
  self.last, self.waiting = last + 3, self.waiting + 1
end

-- Takes the call that has waited longest.
local function take(self)
  local going, at = self.going, self.at
  if not going[at] then
    going, at = self.coming, 1
    self.going, self.coming, self.last = going, self.going, 0
  end
  local call, attempt, start = going[at], going[at + 1], going[at + 2]
  going[at], going[at + 1], going[at + 2] = nil, nil, nil
  self.at, self.waiting = at + 3, self.waiting - 1
  return call, attempt, start
end

--- A turn has begun: the next calls do, too.
function Pace:turn()
  self.begun, self.turning = 0, false
  while self.begun < STARTS and self.waiting > 0 do
    local call, attempt, start = take(self)
    if not call.ended and call.attempt == attempt then begin(self, call, start) end
  end
end

return M
