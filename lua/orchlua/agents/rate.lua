-- How fast an agent, or all of a provider's, may be asked: so many tries and so many
-- tokens in any stretch of time. It is kept by waiting, in the order of asking. A try takes
-- the tokens that it may need at worst, and gives back what it did not use when it has ended.

local admission = require "orchlua.agents.admission"
local clock = require "orchlua.clock"

local M = {}

---@class orchlua.Rate
---@field requests? integer
---@field tokens? integer
---@field per number          seconds
---@field package sent table  the tries of the last `per` seconds: `{time, tokens}`, the oldest at `first`
---@field package line table  who waits
local Rate = {}
Rate.__index = Rate

--- Makes a rate.
---@param limits orchlua.Config.Rate
---@return orchlua.Rate
function M.new(limits)
  return setmetatable({
    requests = limits.requests or math.huge, tokens = limits.tokens or math.huge, per = limits.per, sent = {}, first = 1, last = 0, in_window = 0,
    line = {}, line_first = 1, line_last = 0,
  }, Rate)
end

-- Forgets the tries that are longer ago than a stretch.
local function forget(self, now)
  while self.first <= self.last and self.sent[self.first].time <= now - self.per do
    local old = self.sent[self.first]
    self.sent[self.first], self.first = nil, self.first + 1
    self.in_window, old.gone = self.in_window - old.tokens, true
  end
end

local function fits(self, tokens)
  return self.last - self.first + 1 < self.requests and self.in_window + tokens <= self.tokens
end

-- One that needs more tokens than a stretch has goes alone.
local function wanted(self, waiter) return math.min(waiter.tokens, self.tokens) end

local function send(self, waiter, now)
  local sent = { time = now, tokens = wanted(self, waiter) }
  self.last = self.last + 1
  self.sent[self.last], self.in_window = sent, self.in_window + sent.tokens
  waiter.sent, waiter.waiting = sent, false
  waiter.start()
end

local admit

local function wait_for_oldest(self, on, now)
  self.due = on:after(math.max(0, self.sent[self.first].time + self.per - now), clock.TIMER, function()
    self.due = nil
    admit(self, on)
  end)
end

-- Starts whoever is next, as long as there is room; then waits for the oldest try to be long ago.
local function admit_waiting(self, on)
  while self.line_first <= self.line_last do
    local waiter, now = self.line[self.line_first], on:scale()
    forget(self, now)
    if waiter.waiting and not fits(self, wanted(self, waiter)) then return wait_for_oldest(self, on, now) end
    self.line[self.line_first], self.line_first = nil, self.line_first + 1
    if waiter.waiting then send(self, waiter, now) end
  end
end

function admit(self, on)
  if self.due and not self.admitting then
    on:cancel(self.due)
    self.due = nil
  end
  admission.once(self, admit_waiting, on)
end

---@class orchlua.Rate.Waiter
---@field tokens integer   that the try takes at worst
---@field start fun()      called when there is room; must not raise

--- Waits for room for a try, then calls `start()`: before this returns, if there is room.
---@param on orchlua.Clock
---@param waiter orchlua.Rate.Waiter
function Rate:enter(on, waiter)
  waiter.waiting = true
  self.line_last = self.line_last + 1
  self.line[self.line_last] = waiter
  if self.line_first == self.line_last then admit(self, on) end
end

--- A try has ended: it took so many tokens. One that never started is called off.
---@param on orchlua.Clock
---@param waiter orchlua.Rate.Waiter
---@param tokens? integer    nil: nobody knows, so it took all that it might
function Rate:leave(on, waiter, tokens)
  local sent = waiter.sent
  waiter.waiting = false
  if sent and tokens and not sent.gone then
    self.in_window = self.in_window + tokens - sent.tokens
    sent.tokens = tokens
  end
  admit(self, on)
end

return M
