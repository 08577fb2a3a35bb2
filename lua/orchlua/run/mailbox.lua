-- Messages that wait for an AWAIT, and AWAITs that wait for a message. The run
-- has a mailbox; a parallel iteration has one of its own for the replies to what
-- it sent itself, passed on when it ends. Of several branches that wait, the one
-- that has waited longest and matches gets the message.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local owns = require "orchlua.run.own"
local reply = require "orchlua.run.reply"
local in_flight = require "orchlua.run.in_flight"

local value = core.value

local M = {}

---@class orchlua.Mailbox
---@field outer? orchlua.Mailbox   the mailbox it is passed to
---@field messages table[]         `{agent_id, reply, signal, raises, asked}`, the oldest first; `raises`: the error of the request `asked`
---@field outstanding integer      replies still to come to it
---@field keeps_all? boolean        a pattern's: what it awaits is not known beforehand

--- A mailbox inside `outer`.
function M.new(outer)
  return { outer = outer, messages = {}, outstanding = 0 }
end

-- The mailbox of the run itself.
local function of_run(run)
  local home = run.mailbox or M.new()
  run.mailbox = home
  return home
end

--- The mailbox of a branch, which is made when the branch first needs one: a parallel iteration's own, or that of
--- the branch around it.
---@param run orchlua.Run
---@param branch orchlua.Branch
---@return orchlua.Mailbox
function M.of(run, branch)
  local home = branch.home
  if home then return home end
  home = branch.parent and M.of(run, branch.parent) or of_run(run)
  if branch.unit.kind == "iteration" then home = M.new(home) end
  branch.home = home
  return home
end

-- Matching ---------------------------------------------------------------------------

local function wanted(wait, message)
  if not wait.from then return not message.signal end
  for _, name in ipairs(wait.from) do
    if name == message.agent_id then return true end
  end
  return false
end

local function outstanding_for(run, home, wait)
  if home.outstanding == 0 then return false end
  for _, request in pairs(in_flight.by_number(run)) do
    if request.home == home and not request.awaited and wanted(wait, { agent_id = request.agent_id }) then return true end
  end
  return false
end

-- Whether a branch looks into a mailbox: it is its own, or one around that.
local function looks_into(branch, home)
  local own = branch.home
  while own and own ~= home do own = own.outer end
  return own ~= nil
end

-- The oldest message that fits, from a branch's own mailbox and those around it. While something
-- of its own is still to come that would do, it takes nobody else's.
local function take_one(run, branch)
  local home = branch.home
  while home do
    for i, message in ipairs(home.messages) do
      if wanted(branch.wait, message) then return table.remove(home.messages, i) end
    end
    if outstanding_for(run, home, branch.wait) then return nil end
    home = home.outer
  end
end

local function find_from(run, branch, name, taken)
  local home, wait = branch.home, { from = { name } }
  while home do
    for _, message in ipairs(home.messages) do
      if message.agent_id == name and not taken[message] then return message end
    end
    if outstanding_for(run, home, wait) then return nil end
    home = home.outer
  end
end

-- One message from each, in the order of the list; nil while one is missing. Where one raises, that one alone is taken.
local function take_all(run, branch)
  local taken, found = {}, {}
  for i, name in ipairs(branch.wait.from) do
    local message = find_from(run, branch, name, taken)
    if not message then return nil end
    taken[message], found[i] = true, message
  end
  for _, message in ipairs(found) do
    if message.raises then
      taken, found = { [message] = true }, { message }
      break
    end
  end
  local home = branch.home
  while home do
    local left = {}
    for _, message in ipairs(home.messages) do
      if not taken[message] then left[#left + 1] = message end
    end
    home.messages, home = left, home.outer
  end
  return found
end

-- Wakes a branch with what it awaited.
local function hand_over(run, branch, messages)
  local first = messages[1]
  if first.raises then return run:throw(branch, first.raises, branch.site, first.asked) end
  if branch.wait.mode ~= "all" then return run:wake(branch, first.reply) end
  local replies = value.array {}
  for i, message in ipairs(messages) do replies[i] = message.reply end
  run:wake(branch, replies)
end

local function try_take(run, branch)
  if branch.wait.mode == "all" then return take_all(run, branch) end
  local message = take_one(run, branch)
  return message and { message }
end

-- AWAIT --------------------------------------------------------------------------------

local function agent_name(name)
  if type(name) == "string" and name ~= "" then return name end
  errors.raise("type", ("FROM takes an agent's name or a list of them, and got %s"):format(check.shown(name)))
end

local function names_of(mode, from)
  if mode == nil then return nil end
  local of = value.kind(from)
  if of ~= "array" then return { agent_name(from) } end
  if #from == 0 then errors.raise("type", "FROM got an empty list: nobody could answer") end
  local names = {}
  for i, name in ipairs(from) do names[i] = agent_name(name) end
  return names
end

--- A branch awaits a message: it gets the oldest that matches, or waits.
---@param mode? "one"|"any"|"all"
---@param from any       a name or an array of names, with a mode
---@param seconds? number
function M.await(run, branch, site, mode, from, seconds)
  local wait = { mail = true, mode = mode, from = names_of(mode, from) }
  M.of(run, branch)
  branch.wait = wait
  local messages = try_take(run, branch)
  if messages then
    branch.site, branch.wait = site, wait
    wait.mail = nil
    return hand_over(run, branch, messages)
  end
  branch.wait = nil
  run:await(branch, site, wait, seconds)
  local waiters = owns.own(run, "waiters")
  waiters[#waiters + 1] = branch
end

--- A branch waits for messages no more.
function M.leave(run, branch)
  for i, waiter in ipairs(run.waiters) do
    if waiter == branch then
      table.remove(run.waiters, i)
      return
    end
  end
end

-- Arrivals --------------------------------------------------------------------------------

-- Offers what has come to a mailbox to those who wait, the longest first.
local function offer(run, home)
  local waiting = table.move(run.waiters, 1, #run.waiters, 1, {})
  for _, branch in ipairs(waiting) do
    if #home.messages == 0 then return end
    if branch.wait and branch.wait.mail and looks_into(branch, home) then
      local messages = try_take(run, branch)
      if messages then hand_over(run, branch, messages) end
    end
  end
end

--- A message comes to a mailbox. One that no AWAIT of the program could take is dropped.
function M.post(run, home, message)
  local takes = run.program.takes
  local kept = home.keeps_all or takes.any or takes.names[message.agent_id] or message.signal and takes.signals
  if not kept then return end
  home.messages[#home.messages + 1] = message
  offer(run, home)
end

--- A signal from outside comes.
function M.signal(run, name, signalled)
  M.post(run, of_run(run), { agent_id = name, signal = true, reply = reply.of_signal(run, name, signalled) })
end

local function pass_on_requests(run, home, outer)
  for _, request in pairs(in_flight.by_number(run)) do
    if request.home == home then request.home = outer end
  end
  outer.outstanding, home.outstanding = outer.outstanding + home.outstanding, 0
end

--- An iteration has ended: what it has got, and is still to get, is the outer mailbox's.
function M.pass_on(run, home)
  local outer = home.outer
  if not outer then return end
  if home.outstanding > 0 then pass_on_requests(run, home, outer) end
  for _, message in ipairs(home.messages) do outer.messages[#outer.messages + 1] = message end
  home.messages = {}
  if #outer.messages > 0 then offer(run, outer) end
end

return M
