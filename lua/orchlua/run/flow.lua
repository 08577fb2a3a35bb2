-- A pattern at work: user code in Lua that reaches the world only through its `flow`. It
-- runs as branches of the run, called strands: where a compiled unit returns an
-- operation, a strand's coroutine yields one. A coroutine cannot be written down; what
-- it was told can. So everything a strand was resumed with, and what it read, is kept in the
-- pattern call's `record`, which is data, until the call returns; a run that comes back
-- plays each record from its start, and the coroutines stand where they stood.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local keys = require "orchlua.keys"
local mailbox = require "orchlua.run.mailbox"
local own = require("orchlua.run.own").own
local patterns = require "orchlua.patterns"
local random = require "orchlua.functions.random"

local value = core.value
local null = value.null

local M = {}

---@class orchlua.FlowRecord    a pattern call: data, kept until it returns
---@field request integer         the request that it answers
---@field pattern string
---@field params table
---@field strands { branch: integer, parent: integer?, position: integer? }[]
---@field log { strand: integer, value: any, raised: table? }[]   what strands were resumed with, in order
---@field asked string[]          what they asked for, in order
---@field read any[]              what they read on the way: clock readings, random numbers

---@class orchlua.Player          the living side of a record
---@field run table
---@field record orchlua.FlowRecord
---@field coroutines thread[]     by strand
---@field children table          by strand: what its parallel children do, `{fn, items}`
---@field tries integer[]         by strand: how many `try` it is in
---@field at { asked: integer, read: integer }   how far the record has been used
---@field replaying boolean

-- What a strand is resumed with when it is to raise.
local Raised = { __name = "orchlua.Raised" }

local function raise_if_told(told)
  if getmetatable(told) == Raised then error(told.error, 0) end
  return told
end

--- How an error reaches a strand: `Run:throw` wakes it with this.
function M.raised(err) return setmetatable({ error = err }, Raised) end

-- Strands ----------------------------------------------------------------------------------

local Flow = {}
Flow.__index = Flow

-- The player, and the strand that is running. The pattern's own coroutines are not for this.
local function current(self)
  local player = self.player
  local strand = player.by_coroutine[coroutine.running()]
  if not strand then error("a flow is used inside its own pattern, and in no other coroutine", 3) end
  return player, strand
end

local function site(player, name)
  return player.run.program.sites[player.record.site].flow[name]
end

-- In a replay the pattern does not do what it did: no `try` of its own may hide that.
local function diverged(player, how)
  player.broken = errors.new("replay", ("the pattern `%s` does not do what it did: %s"):format(player.record.pattern, how),
    { hint = "a pattern reaches the world only through its flow, and does the same each time" })
  error(player.broken, 0)
end

-- Notes what a strand asks for; in a replay it must be what it asked the first time.
local function note(player, text)
  local at, asked = player.at, player.record.asked
  at.asked = at.asked + 1
  if not player.replaying then
    asked[at.asked] = text
  elseif asked[at.asked] ~= text then
    diverged(player, ("it asks `%s` where it asked `%s`"):format(text, asked[at.asked] or "nothing more"))
  end
end

-- Reads something that is not the same each time; in a replay it is what was read then.
local function read(player, learn)
  local at, list = player.at, player.record.read
  at.read = at.read + 1
  if not player.replaying then list[at.read] = learn() end
  return list[at.read]
end

local function converted(v, what)
  local result, message = value.from_lua(v)
  if result == nil then errors.raise("type", ("%s is no value: %s"):format(what, message)) end
  return result
end

local function digest(data)
  local text = core.json.encode(data)
  return text and core.digest.sha256(text):sub(1, 16) or "?"
end

-- Verbs ---------------------------------------------------------------------------------------

-- The data of an event that asks an agent.
local function asking(agent, prompt, options)
  if type(agent) ~= "string" or agent == "" then errors.raise("type", ("an agent's name is a string, and got %s"):format(tostring(agent))) end
  local data = value.object { "agent_id", "prompt", agent_id = agent, prompt = prompt == nil and null or converted(prompt, "the prompt") }
  for _, name in ipairs(keys.names(options or {})) do
    if data[name] == nil then data[#data + 1] = name end
    data[name] = converted(options[name], name)
  end
  return data
end

-- In parallel a failed call is data; in sequence, and inside `try`, it raises.
local function awaited_site(player, strand)
  local raises = not player.record.strands[strand].parent or player.tries[strand] > 0
  return site(player, raises and "ask" or "gather")
end

local function event(self, name, data)
  local player, strand = current(self)
  note(player, ("event %s %s"):format(name, digest(data)))
  return raise_if_told(coroutine.yield("event", awaited_site(player, strand), name, data))
end

--- Asks an agent and waits for its reply.
---@param agent string
---@param prompt any
---@param options? table   fields of the event's data: `timeout` (seconds), `retries`, `on_error`, `task_id`, …
---@return table reply
function Flow:ask(agent, prompt, options) return event(self, "completion:async", asking(agent, prompt, options)) end

--- Raises an event and waits for its result, as `EVENT … AS` does.
---@param name string
---@param data? any
---@return any result
function Flow:event(name, data)
  return event(self, name, data == nil and null or converted(data, "the event's data"))
end

local function emit(self, name, data)
  local player = current(self)
  note(player, ("emit %s %s"):format(name, digest(data)))
  if not player.replaying then player.run:emit(site(player, "send"), name, data) end
end

--- Asks an agent and goes on at once; the reply is for `await`.
function Flow:send(agent, prompt, options) emit(self, "completion:async", asking(agent, prompt, options)) end

--- Raises an event and goes on at once.
function Flow:emit(name, data) emit(self, name, data == nil and null or converted(data, "the event's data")) end

--- Takes the oldest message that matches, or waits for it.
---@param options? { from: string|string[]|nil, all: boolean?, timeout: number? }   `all`: one from each; timeout in seconds
---@return table? reply   nil when the time is over; with `all` a list of replies
function Flow:await(options)
  options = options or {}
  local player = current(self)
  local from = options.from
  local mode = from ~= nil and (options.all and "all" or type(from) == "table" and "any" or "one") or nil
  if type(from) == "table" then from = value.array(table.move(from, 1, #from, 1, {})) end
  note(player, ("await %s %s"):format(mode or "reply", digest(from == nil and null or from)))
  return raise_if_told(coroutine.yield("await", site(player, "wait"), mode, from, options.timeout))
end

--- Waits.
---@param seconds number
function Flow:wait(seconds)
  local player = current(self)
  note(player, "wait")
  raise_if_told(coroutine.yield("wait", site(player, "wait"), seconds))
end

--- Runs `fn(item, index)` for each item, side by side; gives their results in order. Inside, a failed
--- call is data (`success` is false). An error in one of them is raised when all have ended.
---@param list any[]
---@param options? { limit: integer? }
---@param fn fun(item: any, index: integer): any
---@return any[] results
function Flow:parallel(list, options, fn)
  if fn == nil then options, fn = nil, options end
  if type(list) ~= "table" or type(fn) ~= "function" then error("flow:parallel takes a list, options and a function", 2) end
  local player, strand = current(self)
  note(player, ("parallel %d"):format(#list))
  player.children[strand] = { fn = fn, items = table.move(list, 1, #list, 1, {}) }
  local results = raise_if_told(coroutine.yield("strands", site(player, "wait"), #list, options and options.limit))
  player.children[strand] = nil
  return results
end

--- A progress record.
function Flow:track(data)
  local player = current(self)
  note(player, "track")
  if not player.replaying then player.run:track(nil, converted(data, "what is tracked")) end
end

--- Seconds since the epoch, later than the run's last reading.
---@return number
function Flow:now()
  local player = current(self)
  return read(player, function() return player.run:now() end)
end

--- A random number, as the language's RANDOM gives it.
function Flow:random(a, b)
  local player = current(self)
  return read(player, function() return random.RANDOM.fn(player.run, a, b) end)
end

--- The patterns of the configuration, for `orchlua.patterns`.
function Flow:patterns() return self.player.run.patterns end

--- Calls `fn()`; what fails in it raises there, and is given back here.
---@return boolean ok
---@return any result   or the error: `{type, message, …}`
function Flow:try(fn)
  local player, strand = current(self)
  player.tries[strand] = player.tries[strand] + 1
  local ok, result = pcall(fn)
  player.tries[strand] = player.tries[strand] - 1
  if ok then return true, result end
  if player.broken then error(player.broken, 0) end
  return false, errors.of(result, "pattern")
end

-- Playing ------------------------------------------------------------------------------------------

local function body_of(player, strand)
  local made = player.record.strands[strand]
  if made.parent then
    local children = player.children[made.parent]
    return function() return children.fn(children.items[made.position + 1], made.position + 1) end
  end
  return function() return player.pattern.run(player.flow, player.params) end
end

local function coroutine_of(player, strand)
  local co = player.coroutines[strand]
  if not co then
    local body = body_of(player, strand)
    co = coroutine.create(function(told)
      raise_if_told(told)
      return "returned", body()
    end)
    player.coroutines[strand], player.by_coroutine[co], player.tries[strand] = co, strand, 0
  end
  return co
end

-- Ends a strand's coroutine where it stands: its `<close>` variables are closed. Nobody hears what that raises, as the strand
-- is none any more.
local function close(player, strand)
  local co = player.coroutines[strand]
  if co and coroutine.status(co) ~= "normal" and coroutine.status(co) ~= "running" then coroutine.close(co) end
end

local function closed_unless(player, strand, ok, ...)
  if not ok then close(player, strand) end
  return ok, ...
end

-- Resumes a strand; gives whether it went well, then what it yields or returned. One that raises is closed.
local function resume(player, strand, told)
  return closed_unless(player, strand, coroutine.resume(coroutine_of(player, strand), told))
end

local function kept(told)
  if type(told) ~= "table" then return told end
  return (value.copy(told))
end

local function returned(branch, record, result)
  local plain, message = value.from_lua(result)
  if plain == nil then
    return "raised", record.site, errors.new("pattern", ("the pattern `%s` returned no value: %s"):format(record.pattern, message))
  end
  local parent = record.strands[branch.frame.strand].parent and branch.parent
  if not parent then return "played", record.site, plain end
  parent.children.results[branch.frame.position + 1] = plain
  return "done"
end

-- How an operation of a strand comes to the scheduler.
local function step(frame, told, run)
  local branch = run.work.current
  local record = run.flows[frame.flow]
  local player = run.players[frame.flow]
  local raised = getmetatable(told) == Raised and told.error or nil
  record.log[#record.log + 1] = { strand = frame.strand, value = not raised and kept(told) or nil, raised = raised }
  local ok, operation, a, b, c, d = resume(player, frame.strand, told)
  if not ok then return "raised", record.site, errors.of(operation, "pattern") end
  if operation == "returned" then return returned(branch, record, a) end
  return operation, a, b, c, d
end

local function add_strand(record, branch, parent, position)
  local strands = record.strands
  strands[#strands + 1] = { branch = branch.id, parent = parent, position = position }
  local frame = branch.frame
  frame.flow, frame.strand, frame.position = record.request, #strands, position
end

--- The unit of every strand.
M.UNIT = { id = "strand", kind = "strand", names = {}, fn = step }

--- Begins a parallel child of a strand.
function M.UNIT.begin(run, parent, child, position)
  local item = run.players[parent.frame.flow].children[parent.frame.strand].items[position + 1]
  if type(item) == "string" or type(item) == "number" then child.label = value.text(item) end
  add_strand(run.flows[parent.frame.flow], child, parent.frame.strand, position)
end

local function new_player(run, record, pattern)
  local player = {
    run = run, record = record, pattern = pattern, params = kept(record.params), coroutines = {}, by_coroutine = {}, children = {}, tries = {},
    at = { asked = 0, read = 0 }, replaying = false,
  }
  player.flow = setmetatable({ player = player }, Flow)
  own(run, "players")[record.request] = player
  return player
end

--- Starts a pattern call, which will answer a request.
---@param run orchlua.Run
---@param branch orchlua.Branch   that called it
---@param asked orchlua.Request
---@param pattern table           the library
---@param params table            checked
function M.start(run, branch, asked, pattern, params)
  local outer = branch.unit == M.UNIT and run.flows[branch.frame.flow]
  local record = {
    request = asked.number, site = outer and outer.site or asked.site, started = run.time, pattern = asked.agent_id:match ":(.*)$", params = params,
    strands = {}, log = {}, asked = {}, read = {},
  }
  own(run, "flows")[asked.number], run.flow_count = record, run.flow_count + 1
  new_player(run, record, pattern)
  local root = run:branch(M.UNIT, branch)
  root.label, root.detached = asked.agent_id, true
  root.home = mailbox.new(mailbox.of(run, branch))
  root.home.keeps_all = true
  add_strand(record, root, nil, nil)
  run:wake(root)
end

--- A strand is cancelled.
function M.cancelled(run, branch)
  local player = run.players[branch.frame.flow]
  if player then close(player, branch.frame.strand) end
end

--- The run leaves memory, or has ended: nothing of its pattern calls is left open.
function M.leave(run)
  for _, player in pairs(run.players) do
    for strand in pairs(player.coroutines) do close(player, strand) end
  end
end

--- A strand has ended, or was cancelled; with its first one the pattern call is over.
---@return orchlua.FlowRecord? record   of the call that is over
function M.ended(run, branch)
  if not branch.detached then return nil end
  local number = branch.frame.flow
  local record = run.flows[number]
  if record then run.flow_count = run.flow_count - 1 end
  run.flows[number], run.players[number] = nil, nil
  return record
end

-- A coroutine is where it stood when all that it was told has been told again.
local function play(player)
  player.replaying = true
  for _, entry in ipairs(player.record.log) do
    resume(player, entry.strand, entry.raised and M.raised(entry.raised) or kept(entry.value))
    if player.broken then return player.broken end
  end
  if player.at.asked ~= #player.record.asked then pcall(diverged, player, "it asks less") end
  player.replaying = false
  return player.broken
end

--- Brings the pattern calls of a run that was restored from a snapshot back to where they stood.
---@return orchlua.Error? err
function M.restore(run)
  for _, number in ipairs(keys.sorted(run.flows)) do
    local record = run.flows[number]
    local pattern, err = patterns.find(record.pattern, run.patterns)
    if not pattern then return err end
    err = play(new_player(run, record, pattern))
    if err then return err end
  end
end

return M
