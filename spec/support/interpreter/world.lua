-- The world of the slow interpreter: strands (coroutines) that take turns, a virtual
-- clock, agents that answer after their latency, mailboxes, entities. A strand runs until it
-- waits; when none is ready the oldest news is taken, and then the clock goes on.

local values = require "spec.support.interpreter.values"

local null = values.null

local World = {}
World.__index = World

local M = { CANCEL = { cancel = true } }

local REPLY, TIMER = 0, 1
local FINALLY_SECONDS = 30

--- A world with agents `{latency, answer(prompt) → text | value | nil, error}` by name.
function M.new(agents)
  return setmetatable({
    agents = agents, now = 0, due = {}, due_count = 0, ready = {}, news = {}, strands = {}, strand_count = 0,
    requests = {}, request_count = 0, mailbox = { messages = {} }, waiters = {}, entities = {}, entity_order = {},
  }, World)
end

-- Time -----------------------------------------------------------------------------------------

-- Calls something in some seconds; at equal times replies come first, then what was set first.
function World:after(seconds, class, call)
  self.due_count = self.due_count + 1
  local due = { time = self.now + seconds, class = class, order = self.due_count, call = call }
  self.due[#self.due + 1] = due
  return due
end

local function earlier(a, b)
  if a.time ~= b.time then return a.time < b.time end
  if a.class ~= b.class then return a.class < b.class end
  return a.order < b.order
end

function World:call_off(due)
  for i, other in ipairs(self.due) do
    if other == due then return table.remove(self.due, i) end
  end
end

-- Strands ----------------------------------------------------------------------------------------

--- A new strand that will run `code(strand)`.
function World:strand(parent, code)
  self.strand_count = self.strand_count + 1
  local strand = {
    id = self.strand_count, parent = parent, home = parent and parent.home or self.mailbox, inside = 0, finishing = 0,
    catchers = parent and parent.catchers or 0,
  }
  strand.co = coroutine.create(function()
    if strand.cancelled then error(M.CANCEL, 0) end
    return code(strand)
  end)
  self.strands[strand.id] = strand
  return strand
end

--- Has a strand go on, with a value or an error.
function World:wake(strand, value, err)
  strand.waits, strand.woken = false, true
  if strand.timer then self:call_off(strand.timer) end
  strand.timer = nil
  for i, waiter in ipairs(self.waiters) do
    if waiter == strand then
      table.remove(self.waiters, i)
      break
    end
  end
  self.ready[#self.ready + 1] = { strand = strand, value = value, err = err }
end

--- Waits, inside a strand, until it is woken; with seconds, for so long at most.
function World:pause(strand, seconds)
  strand.waits = not strand.woken
  if seconds then strand.timer = self:after(seconds, TIMER, function() self:wake(strand, nil) end) end
  local value, err = coroutine.yield()
  if strand.cancelled then error(M.CANCEL, 0) end
  if err then error(err, 0) end
  return value
end

-- Whether a strand around this one is in a FINALLY block.
local function finishes_outside(strand)
  local outer = strand.parent
  while outer do
    if outer.finishing > 0 then return true end
    outer = outer.parent
  end
  return false
end

function World:cancel(strand)
  if finishes_outside(strand) then return end
  if strand.finishing > 0 then
    strand.cancel_later = true
    return
  end
  if strand.children and strand.children.live > 0 then
    strand.children.closed = true
    return
  end
  strand.cancelled = true
  if strand.waits then self:wake(strand) end
end

-- PARALLEL -----------------------------------------------------------------------------------------

-- Starts the children that there is room for; wakes the parent when all have ended.
local function proceed(self, parent)
  local children = parent.children
  while not children.closed and children.live < children.limit and children.codes[children.next] do
    local child = self:strand(parent, children.codes[children.next].run)
    child.ordinal = children.next
    if children.codes[children.next].iteration then child.home = { messages = {}, outer = child.home } end
    children.next, children.live = children.next + 1, children.live + 1
    self:wake(child)
  end
  if children.live > 0 then return end
  parent.children = nil
  if children.closed then return self:cancel(parent) end
  self:wake(parent, nil, children.failed and children.failed.failure)
end

--- Runs children side by side: `codes` are `{run, iteration}`.
function World:parallel(strand, codes, limit)
  strand.children = { codes = codes, limit = limit, next = 1, live = 0 }
  proceed(self, strand)
  return self:pause(strand)
end

local function child_ended(self, strand)
  local children = strand.parent.children
  if strand.home ~= strand.parent.home then self:pass_on(strand.home) end
  children.live = children.live - 1
  if strand.failure and (not children.failed or strand.ordinal < children.failed.ordinal) then children.failed = strand end
  proceed(self, strand.parent)
end

-- What a strand's end means: a result to leave the run with, an error, or nothing.
local function strand_ended(self, strand, ok, outcome)
  self.strands[strand.id] = nil
  if not ok and outcome ~= M.CANCEL then
    if type(outcome) ~= "table" or not outcome.type then error(outcome, 0) end
    strand.failure = outcome
  end
  if strand.parent then
    child_ended(self, strand)
  else
    self.main_ended, self.failing = true, strand.failure
  end
  if ok and outcome then self:leave(outcome.value) end
end

-- The end --------------------------------------------------------------------------------------------

--- Leaves the run with a result: the other strands are cancelled.
function World:leave(result)
  if self.leaving then return end
  self.leaving = { result = values.copy(result) }
  self:after(FINALLY_SECONDS, TIMER, function() self:finish() end)
  for number, request in pairs(self.requests) do
    if not request.awaited or request.strand.finishing == 0 and not finishes_outside(request.strand) then
      self.requests[number] = nil
      if request.due then self:call_off(request.due) end
    end
  end
  for id = self.strand_count, 1, -1 do
    if self.strands[id] then self:cancel(self.strands[id]) end
  end
end

function World:finish()
  if self.leaving then
    self.status, self.result = "completed", self.leaving.result
  elseif self.failing then
    self.status, self.error = "failed", self.failing
  else
    self.status, self.result = "completed", self.last == nil and null or self.last
  end
end

local function stuck(self)
  if next(self.requests) or #self.waiters == 0 then return false end
  for _, strand in pairs(self.strands) do
    if strand.timer then return false end
  end
  if self.leaving then return false end
  for _, waiter in ipairs(self.waiters) do
    if waiter.wanted.from then return false end
  end
  return true
end

-- Nothing is ready: the run is over, or nothing can wake it, or it waits.
local function settle(self)
  if self.main_ended and not next(self.requests) then return self:finish() end
  if stuck(self) then self:wake(self.waiters[1], nil, { type = "stuck", message = "?" }) end
end

-- Driving -------------------------------------------------------------------------------------------

local function run_ready(self)
  while self.ready[1] do
    local turn = table.remove(self.ready, 1)
    local strand = turn.strand
    strand.woken = false
    local ok, outcome = coroutine.resume(strand.co, turn.value, turn.err)
    if coroutine.status(strand.co) == "dead" then strand_ended(self, strand, ok, outcome) end
  end
end

local function next_due(self)
  local first
  for _, due in ipairs(self.due) do
    if not first or earlier(due, first) then first = due end
  end
  if first then
    self:call_off(first)
    self.now = first.time
  end
  return first
end

--- Runs a main strand to the end: `status`, `result`, `error` are set then.
function World:run(code)
  self:wake(self:strand(nil, code))
  while not self.status do
    run_ready(self)
    settle(self)
    if not self.status and not self.ready[1] then
      local news = table.remove(self.news, 1) or (next_due(self) or {}).call
      if not news then
        self.status = "running"
      else
        news()
      end
    end
  end
end

-- Messages --------------------------------------------------------------------------------------------

local function fits(wanted, agent_id)
  if not wanted.from then return true end
  for _, name in ipairs(wanted.from) do
    if name == agent_id then return true end
  end
  return false
end

-- Whether a reply that would do is still to come to a mailbox.
local function to_come(self, home, wanted)
  for _, request in pairs(self.requests) do
    if request.home == home and not request.awaited and fits(wanted, request.agent_id) then return true end
  end
  return false
end

-- The oldest message that fits, from the strand's own mailbox and those around it.
local function take_one(self, strand)
  local home, wanted = strand.home, strand.wanted
  while home do
    for i, message in ipairs(home.messages) do
      if fits(wanted, message.agent_id) then return { table.remove(home.messages, i) } end
    end
    if to_come(self, home, wanted) then return nil end
    home = home.outer
  end
end

local function oldest_of(self, strand, name, taken)
  local home = strand.home
  while home do
    for _, message in ipairs(home.messages) do
      if message.agent_id == name and not taken[message] then return message end
    end
    if to_come(self, home, { from = { name } }) then return nil end
    home = home.outer
  end
end

local function take_all(self, strand)
  local found, taken = {}, {}
  for i, name in ipairs(strand.wanted.from) do
    local message = oldest_of(self, strand, name, taken)
    if not message then return nil end
    found[i], taken[message] = message, true
  end
  local home = strand.home
  while home do
    local left = {}
    for _, message in ipairs(home.messages) do
      if not taken[message] then left[#left + 1] = message end
    end
    home.messages, home = left, home.outer
  end
  return found
end

-- What a strand that awaits gets now: true and a value or an error; or nothing.
local function try_take(self, strand)
  local found = (strand.wanted.mode == "all" and take_all or take_one)(self, strand)
  if not found then return false end
  local replies = {}
  for i, message in ipairs(found) do
    if message.raises then return true, nil, message.raises end
    replies[i] = message.reply
  end
  return true, strand.wanted.mode == "all" and values.array(replies) or replies[1]
end

--- Awaits a message, inside a strand; nil when the time is over.
function World:await(strand, wanted, seconds)
  strand.wanted = wanted
  local found, reply, err = try_take(self, strand)
  if found then
    self:wake(strand, reply, err)
    return self:pause(strand)
  end
  self.waiters[#self.waiters + 1] = strand
  return self:pause(strand, seconds)
end

local function offer(self)
  for _, strand in ipairs(table.move(self.waiters, 1, #self.waiters, 1, {})) do
    local found, reply, err = try_take(self, strand)
    if found then self:wake(strand, reply, err) end
  end
end

--- What an iteration leaves in its mailbox, and what is still to come to it, is the outer one's.
function World:pass_on(home)
  for _, request in pairs(self.requests) do
    if request.home == home then request.home = home.outer end
  end
  for _, message in ipairs(home.messages) do table.insert(home.outer.messages, message) end
  home.messages = {}
  offer(self)
end

-- Agents -----------------------------------------------------------------------------------------------

local function outcome_of(agent, request)
  local timeout = request.timeout
  if timeout and timeout < agent.latency then
    local message = ("`%s` gave no answer in %s s"):format(request.agent_id, values.number_text(timeout))
    return timeout, TIMER, nil, { type = "timeout", message = message }
  end
  local text, err = agent.answer(request.prompt)
  return agent.latency, REPLY, text, err
end

--- The reply that an answer is, or that a failure is.
local function reply_of(request, text, err)
  local reply = values.of("agent_id", request.agent_id, "task_id", request.task_id, "success", err == nil)
  reply.reply, reply.hidden = true, { request_id = request.key, attempts = 1, duration = 0, usage = null }
  if err then
    values.set(reply, "error", values.of("type", err.type, "message", err.message or "?"))
    reply.hidden.output, reply.hidden.result = null, null
    return reply
  end
  local parsed = text:find "^%s*[%[{]" and values.parse(text)
  reply.hidden.output, reply.hidden.result = text, parsed or text
  if not parsed then
    values.set(reply, "output", text)
  elseif parsed.items then
    values.set(reply, "result", parsed)
  else
    for _, key in ipairs(parsed.keys) do
      if key ~= "agent_id" and key ~= "request_id" then values.set(reply, key, parsed.fields[key]) end
    end
  end
  return reply
end

-- A request has been answered: the strand that waits goes on, or the reply is a message.
local function answered(self, request, result, err)
  if not self.requests[request.number] then return end
  self.requests[request.number] = nil
  if self.last_request == request.number then
    self.last = result
    if not request.quiet and not err then self.last = values.get(result, "result") end
  end
  local raised = err and { type = err.type, message = err.message or "?" }
  if err and not request.quiet then raised.agent_id, raised.attempts = request.agent_id, 1 end
  if request.awaited then return self:wake(request.strand, result, request.raises and raised or nil) end
  if request.quiet then return end
  table.insert(request.home.messages, { agent_id = request.agent_id, reply = result, raises = request.on_error == "raise" and raised or nil })
  offer(self)
end

function World:request(strand, request)
  self.request_count = self.request_count + 1
  request.number, request.strand, request.home = self.request_count, strand, strand.home
  request.key = "r/" .. request.number
  self.requests[request.number] = request
  if not strand.parent then self.last, self.last_request = nil, request.number end
  return request
end

--- Asks an agent; `request` is `{agent_id, prompt, awaited, raises, on_error, timeout, task_id}`.
function World:ask(strand, request)
  self:request(strand, request)
  if request.task_id == nil or request.task_id == null then request.task_id = request.key end
  local seconds, class, text, err = outcome_of(self.agents[request.agent_id], request)
  request.due = self:after(seconds, class, function() answered(self, request, reply_of(request, text, err), err) end)
end

--- What an event is answered with at once, for a run without RETURN.
function World:answer(strand, value)
  if not strand.parent then self.last, self.last_request = value, nil end
end

-- Entities ------------------------------------------------------------------------------------------------

local entity = {}

local function put(self, key, type_name, id, properties)
  local found = self.entities[key]
  if not found then
    found = values.of("type", type_name, "id", id, "properties", values.object())
    self.entities[key] = found
    self.entity_order[#self.entity_order + 1] = key
  end
  found.fields.properties = properties
  return found
end

function entity.create(self, key, data, type_name, id)
  if self.entities[key] then return nil, { type = "entity" } end
  return put(self, key, type_name, id, values.get(data, "properties") or values.object())
end

function entity.update(self, key, data, type_name, id)
  local old = self.entities[key]
  local merged = values.copy(old and old.fields.properties or values.object())
  local new = values.get(data, "properties")
  for _, name in ipairs(new and new.keys or {}) do values.set(merged, name, new.fields[name]) end
  return put(self, key, type_name, id, merged)
end

function entity.replace(self, key, data, type_name, id)
  return put(self, key, type_name, id, values.get(data, "properties") or null)
end

function entity.get(self, key) return self.entities[key] or null end

function entity.delete(self, key)
  local found = self.entities[key] ~= nil
  self.entities[key] = nil
  return found
end

--- Does something with an entity; the answer comes when nothing is ready any more.
function World:entity(strand, action, data, awaited)
  local request = self:request(strand, { awaited = awaited, quiet = true, raises = true })
  local type_name, id = values.text(values.get(data, "type") or "orchestration"), values.text(values.get(data, "id"))
  self.news[#self.news + 1] = function()
    local found, err = entity[action](self, type_name .. "/" .. id, data, type_name, id)
    request.agent_id, request.task_id = type_name .. "/" .. id, request.key
    answered(self, request, err and reply_of(request, nil, err) or values.copy(found), err)
  end
end

return M
