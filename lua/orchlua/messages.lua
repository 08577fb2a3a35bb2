-- What a run is told from outside: signals and cancels. Those for a run that another process drives
-- go through the store.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local limits = require "orchlua.run.limits"

local json, value = core.json, core.value

---@class orchlua.Runtime
local Runtime = {}

-- A run that is driven here; nil when it is not, with an error when it could not be brought back.
local function driven_here(self, id)
  local run, err = self.runs[id], nil
  if not run and self.parking then run, err = self.parking:wake(id) end
  return run and not run.accounted and run or nil, err
end

-- A run that can still be told something: one that is driven here, or as it stands in the store.
local function running(self, id)
  local run, err = driven_here(self, id)
  if err then return nil, err end
  if not run and self.journal then run, err = self.store:find(id) end
  run = run or not self.journal and self.runs[id]
  if not run then return nil, err or errors.new("run", ("there is no run `%s`, or it has ended"):format(id)) end
  if run.status ~= "running" then return nil, errors.new("run", ("the run `%s` has ended: %s"):format(id, run.status)) end
  return run
end

-- Hands a run a message: as a row when it is driven here, else by its store.
local function hand(self, id, message)
  local run, err = running(self, id)
  if not run then return nil, err end
  if run ~= self.runs[id] then return self.store:send(run, message) end
  run:deliver(message.kind == "signal" and message or { kind = "cancel", reason = message.name })
  return true
end

--- Hands a run a signal.
---@param id string
---@param name string
---@param signalled any   a plain value
---@return boolean? ok, orchlua.Error? err
function Runtime:signal(id, name, signalled)
  local converted, message = value.from_lua(signalled)
  if converted == nil then return nil, errors.new("signal", "the signal's value is no value: " .. message) end
  local body = json.encode(converted)
  if body and #body > self.config.limits.row then
    return nil, limits.reached("row", "the signal's value is larger than " .. limits.size(self.config.limits.row))
  end
  return hand(self, id, { kind = "signal", name = name, body = body })
end

--- Cancels a run: its FINALLY blocks run, then it ends.
---@return boolean? ok, orchlua.Error? err
function Runtime:cancel(id, reason)
  return hand(self, id, { kind = "cancel", name = reason })
end

--- Takes in what other processes have handed to the runs of this one. What is for a run that is not driven here is left where
--- it is: its next resume takes it. So is all, for now, when the store cannot be read.
function Runtime:take_messages()
  local messages = self.store.driver and self.store:messages()
  if not messages then return end
  local seen = {}
  for _, message in ipairs(messages) do
    local run, err = driven_here(self, message.run)
    if err then errors.raise(err.type, err.message) end
    seen[message.number] = run and true or nil
    if run and not self.seen_messages[message.number] then
      run:deliver { kind = message.kind, name = message.name, reason = message.name, body = message.body, message = message.number }
    end
  end
  self.seen_messages = seen
end

return Runtime
