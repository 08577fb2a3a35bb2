-- What a run learns while it works: readings of the clock, random numbers, answers of the configuration's
-- functions. They ride in the row that is open, so that a replay hears the same again.

local core = require "orchlua.core"
local random = require "orchlua.random"

local value = core.value

---@class orchlua.Run
local Run = {}

local function keep_reading(self, learned)
  local work = self.work
  local readings = work.readings or value.array {}
  work.readings = readings
  readings[#readings + 1] = learned
end

--- Something the program learns while it runs: `learn()` says what, a value of the
--- language. It rides in the row that is open; a replay hears the same again.
function Run:learned(learn)
  if not self.keeps then return learn() end
  local replay = self.replay
  if replay and replay.at < #replay then
    replay.at = replay.at + 1
    return replay[replay.at]
  end
  local learned = learn()
  keep_reading(self, learned)
  return learned
end

--- Something that is learned once, an object of the language or nothing: a replay hears it
--- where it was learned, and nothing where it was not.
---@param learn fun(): table?
---@return table?
function Run:learned_object(learn)
  local replay = self.keeps and self.replay
  if replay then
    local heard = replay[replay.at + 1]
    if value.kind(heard) ~= "object" then return nil end
    replay.at = replay.at + 1
    return heard
  end
  local learned = learn()
  if learned and self.keeps then keep_reading(self, learned) end
  return learned
end

--- A clock reading: later than the run's last by 1 µs at least.
function Run:now()
  local now = self:learned(function() return math.max(self.clock:now(), self.read_at + 1e-6) end)
  self.read_at = now
  return now
end

--- Seconds since a reading, or since the run began, less those in which nobody drove it
--- while something was in flight.
function Run:elapsed(since)
  since = since or self.started
  local elapsed = self:now() - since
  for _, outage in ipairs(self.outages) do
    if outage.time >= since then elapsed = elapsed - outage.seconds end
  end
  return elapsed
end

--- A random number in [0, 1).
function Run:random()
  local number
  number, self.random_state = random.next(self.random_state)
  return number
end

return Run
