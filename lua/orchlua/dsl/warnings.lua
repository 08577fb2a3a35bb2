-- What looks wrong in a program that means something: the warnings. A program
-- that has them runs.

local built_in = require "orchlua.built_in"
local walk = require "orchlua.dsl.walk"

local M = {}

-- A name read where nothing can have assigned it yet --------------------------

-- The loops and parallel blocks around each position: an assignment further down
-- in one of them may have run before.
local function repeated_ranges(tree)
  local ranges = {}
  local function extent(statement)
    local last = statement.stop
    walk.statements({ statement }, function(inner) last = math.max(last, inner.stop) end)
    return last
  end
  walk.statements(tree.body, function(statement)
    if statement.tag == "While" or statement.tag == "Foreach" or statement.tag == "Parallel" then
      ranges[#ranges + 1] = { first = statement.pos, last = extent(statement) }
    end
  end)
  return ranges
end

local function may_run_before(write, read, ranges)
  if write.pos < read.pos then return true end
  for _, range in ipairs(ranges) do
    if range.first <= read.pos and write.pos <= range.last and read.pos <= range.last and write.pos >= range.first then
      return true
    end
  end
  return false
end

local function unassigned_reads(tree, checked, warn)
  local ranges = repeated_ranges(tree)
  for _, slot in ipairs(checked.slots) do
    local read = slot.first_read
    local before = slot.input or slot.silent or not read
    for _, write in ipairs(slot.writes) do
      before = before or may_run_before(write, read, ranges)
    end
    if not before then
      warn(read, ("`%s` is read here, and nothing has assigned it yet: it is null"):format(slot.name))
    end
  end
end

-- A result never used --------------------------------------------------------------

local function unused_results(checked, warn)
  for _, slot in ipairs(checked.slots) do
    local write = slot.writes[1]
    if write and write.result and #slot.writes == 1 and slot.reads == 0 then
      local node = write.node
      if node.tag == "Event" then
        warn(node.as, ("the result `%s` is never used"):format(slot.name), "leave out `AS` to go on without waiting")
      end
    end
  end
end

-- An AWAIT that nothing can answer ----------------------------------------------------

local function answers_later(statement)
  if statement.tag == "Send" or statement.tag == "Share" then return true end
  return statement.tag == "Event" and not statement.as and (statement.name == "completion:async" or not built_in.events[statement.name])
end

local function unanswered_awaits(tree, warn)
  local answered = false
  walk.statements(tree.body, function(statement) answered = answered or answers_later(statement) end)
  if answered then return end
  walk.statements(tree.body, function(statement)
    if statement.tag == "Await" and not statement.from and not statement.options then
      warn(statement, "nothing can answer this AWAIT: no event is sent without `AS`", "signals are awaited by name: AWAIT x FROM name")
    end
  end)
end

-- A WHILE whose condition its body cannot change ---------------------------------------

local changing = { ELAPSED = true, TIMESTAMP = true, NOW = true, RANDOM = true, RANDOM_CHOICE = true, GAUSSIAN = true, UUID = true, SHUFFLE = true }

local leaves = { Break = true, Return = true, Fail = true }

-- What the body can change: names by their slots, and whether it changes anything inside a value.
local function body_changes(body)
  local slots, inside, leaving = {}, false, false
  walk.statements(body, function(statement)
    local target = statement.target
    if target then
      slots[walk.root(target).slot or false] = true
      inside = inside or target.tag ~= "Name" or statement.tag == "Append"
    end
    for _, name in ipairs { statement.as or false, statement.var or false } do
      if name and name.slot then slots[name.slot] = true end
    end
    leaving = leaving or leaves[statement.tag] or statement.name == "orchestration:request_termination"
    walk.header(statement, function(expression)
      walk.expression(expression, function(e) inside = inside or e.tag == "Method" end)
    end)
  end)
  return slots, inside, leaving
end

local function can_change(cond, slots, inside)
  local possible = false
  walk.expression(cond, function(e)
    if e.tag == "Name" then possible = possible or slots[e.slot] or false end
    if e.tag == "Call" then possible = possible or changing[e.name] or e.signature and e.signature.user or inside end
    if e.tag == "Field" or e.tag == "Index" or e.tag == "Method" then possible = possible or inside end
  end)
  return possible
end

local function endless_loops(block, warn, parallel)
  for _, statement in ipairs(block) do
    if statement.tag == "While" and not parallel and statement.cond.tag ~= "Boolean" then
      local slots, inside, leaving = body_changes(statement.body)
      if not leaving and not can_change(statement.cond, slots, inside) then
        warn(statement.cond, "the body of this WHILE cannot change its condition: it runs for ever, or not at all")
      end
    end
    for _, inner in ipairs(walk.blocks(statement)) do
      endless_loops(inner, warn, parallel or statement.tag == "Parallel")
    end
  end
end

-- An outer name assigned by parallel iterations ------------------------------------------

-- `UPDATE n = n + 1` loses nothing: between two waits no other branch runs.
local function reads(expression, slot)
  local found = false
  walk.expression(expression, function(e) found = found or e.slot == slot end)
  return found
end

local function shared_assignments(checked, warn)
  local function within(unit, iteration)
    while unit do
      if unit == iteration then return true end
      unit = unit.parent
    end
  end
  for _, unit in ipairs(checked.units) do
    if unit.kind == "iteration" then
      walk.statements(unit.body, function(statement)
        local target = (statement.tag == "State" or statement.tag == "Update") and statement.target
        local slot = target and target.tag == "Name" and target.slot
        if slot and not reads(statement.value, slot) and not within(slot.unit, unit) and not statement.shared_warned then
          statement.shared_warned = true
          warn(target, ("`%s` is shared by the parallel iterations: the last one to assign it wins"):format(slot.name))
        end
      end)
    end
  end
end

-- What no configuration knows ----------------------------------------------------------------

local function literal_agent(statement)
  if statement.tag == "Send" then return statement.to end
  if statement.tag == "Share" then return statement.with end
  if statement.tag == "Event" and statement.name == "completion:async" and statement.data and statement.data.tag == "Object" then
    for _, entry in ipairs(statement.data.entries) do
      if entry.key == "agent_id" then return entry.value end
    end
  end
end

local function unknown_to_configuration(tree, warn, known)
  if not known then return end
  walk.statements(tree.body, function(statement)
    local agent = literal_agent(statement)
    if agent and agent.tag == "String" and not known.agent(agent.value) then
      warn(agent, ("no configuration knows the agent `%s`"):format(agent.value))
    end
    local is_known, message, hint = true, nil, nil
    if statement.tag == "Event" then is_known, message, hint = known.event(statement.name) end
    if not is_known then
      warn({ pos = statement.name_pos or statement.pos, stop = statement.stop },
        message or ("no configuration knows the event `%s`"):format(statement.name),
        hint or statement.as and "nothing would answer it" or "it is recorded and published, nothing more")
    end
  end)
end

-- The events that statements other than EVENT are.
local EVENT_OF = { Send = "completion:async", Share = "completion:async", Persist = "state:entity:replace" }

local function refused_by_policy(tree, warn, known)
  if not known or not known.allows_event then return end
  walk.statements(tree.body, function(statement)
    local name = statement.tag == "Event" and statement.name or EVENT_OF[statement.tag]
    local allowed, rule = true, nil
    if name then allowed, rule = known.allows_event(name) end
    if not allowed then return warn(statement, ("the event `%s` is not allowed: %s"):format(name, rule)) end
    local agent = literal_agent(statement)
    if not agent or agent.tag ~= "String" then return end
    allowed, rule = known.allows_agent(agent.value)
    if not allowed then warn(agent, ("the agent `%s` is not allowed: %s"):format(agent.value, rule)) end
  end)
end

--- Reports the warnings of a checked program.
---@param tree orchlua.Node
---@param checked { units: orchlua.Unit[], slots: orchlua.Slot[] }
---@param warn fun(node: orchlua.Node, message: string, hint?: string)
---@param known? { agent: fun(id: string): boolean, event: fun(name: string): boolean, string?, string?, allows_agent: (fun(id: string): boolean, string?)?,
---  allows_event: (fun(name: string): boolean, string?)? }   `event` may give a message and a hint of its own
function M.find(tree, checked, warn, known)
  unassigned_reads(tree, checked, warn)
  unused_results(checked, warn)
  unanswered_awaits(tree, warn)
  endless_loops(tree.body, warn, false)
  shared_assignments(checked, warn)
  unknown_to_configuration(tree, warn, known)
  refused_by_policy(tree, warn, known)
end

return M
