-- PARALLEL: its children are started in order, `limit` of them at a time, each
-- holding its place from start to end. An iteration is made only when there is a
-- place for it. When all have ended, the parent goes on, or gets the first error
-- in the order of the source.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local limits = require "orchlua.run.limits"
local mailbox = require "orchlua.run.mailbox"

local value = core.value

local M = {}

---@class orchlua.Children   a PARALLEL at work, held by the parent branch
---@field units table[]      the units of its direct children, in order
---@field lists table        by child: the head of its FOREACH, or its label
---@field limit number
---@field child integer      the child that is started next
---@field position integer   and which of its iterations
---@field live integer       branches that have not ended
---@field failed table[]     branches that failed
---@field closed? boolean    nothing more is started, and the parent is cancelled at the end
---@field again? table[]     branches that failed, and go on instead of others being started: `child` is the next

local function checked_limit(limit)
  if limit == nil or limit == value.null then return math.huge end
  local whole = math.tointeger(limit)
  if type(limit) ~= "number" or not whole or whole < 1 then
    errors.raise("type", ("the limit of PARALLEL is a whole number from 1, and this is %s"):format(check.shown(limit)))
  end
  return whole
end

-- How many children a PARALLEL has at a time.
local function at_once(children)
  local total = 0
  for i, unit in ipairs(children.units) do
    local many = unit.kind == "iteration" or unit.kind == "strand"
    total = total + (many and children.lists[i].count or 1)
  end
  return math.min(children.limit, total)
end

local function check_branches(run, children)
  local most = run.limits.branches
  if run.branch_total - 1 + at_once(children) <= most then return end
  error(limits.reached("branches", ("this would make more than %d branches at a time"):format(most),
    { hint = "PARALLEL(limit: 50): has so many at a time" }), 0)
end

-- What a branch waits for while its children go.
local CHILDREN = {}
M.CHILDREN = CHILDREN

--- The unit of a branch that was cancelled where no FINALLY is.
M.ENDED = { fn = function() return "cancelled" end, names = {} }

--- Starts a PARALLEL in a branch.
function M.start(run, branch, site, limit, lists)
  local children = {
    limit = checked_limit(limit), lists = lists, child = 1, position = 0, live = 0, started = 0, failed = {}, units = {},
  }
  for i, unit in ipairs(run.program.sites[site].units) do children.units[i] = run.program.units[unit.id] end
  check_branches(run, children)
  branch.children, branch.site, branch.wait = children, site, CHILDREN
  M.proceed(run, branch)
end

local function start_child(run, parent, unit, label)
  local children = parent.children
  children.started, children.live = children.started + 1, children.live + 1
  local child = run:branch(unit, parent, children.started, label)
  run:wake(child)
  return child
end

local function element(list, position)
  if list.step then return list.first + position * list.step end
  return list[position + 1]
end

local function start_iteration(run, parent, unit, list)
  local children = parent.children
  local position = children.position
  children.position = position + 1
  local found = element(list, position)
  local name = list.keys and list.keys[position + 1] or found
  local kind = value.kind(name)
  local label = (kind == "string" or kind == "number") and value.text(name) or tostring(position)
  local child = start_child(run, parent, unit, label)
  if unit.begin then return unit.begin(run, parent, child, position) end
  child.frame[unit.var] = found
  if unit.key then child.frame[unit.key] = list.keys and list.keys[position + 1] or position end
  if unit.index then child.frame[unit.index] = position end
end

-- Has the next child that failed go on; false when there is none.
local function revive_next(run, children)
  local branch = children.again[children.child]
  if not branch then return false end
  children.child, children.live = children.child + 1, children.live + 1
  run:revive(branch)
  return true
end

-- Starts the next child or iteration; false when there is none.
local function start_next(run, parent)
  local children = parent.children
  if children.again then return revive_next(run, children) end
  local unit = children.units[children.child]
  if not unit then return false end
  local list = children.lists[children.child]
  if unit.kind ~= "iteration" and unit.kind ~= "strand" then
    children.child = children.child + 1
    start_child(run, parent, unit, list or unit.kind == "branch" and ("branch %d"):format(children.child - 1) or nil)
    return true
  end
  if children.position < list.count then
    start_iteration(run, parent, unit, list)
    return true
  end
  children.child, children.position = children.child + 1, 0
  return start_next(run, parent)
end

local function first_failure(children)
  local first = children.failed[1]
  for _, branch in ipairs(children.failed) do
    if branch.ordinal < first.ordinal then first = branch end
  end
  return first
end

local function finished(run, parent)
  local children = parent.children
  parent.children = nil
  if children.closed then return run:cancel_branch(parent) end
  local failed = first_failure(children)
  if failed then
    children.failed.limit = children.limit
    parent.failed_children = children.failed
    return run:throw(parent, failed.failure, parent.site)
  end
  run:wake(parent, children.results)
end

--- Starts the parallel children of a pattern's strand: `count` of them, whose results it gets.
function M.start_strands(run, branch, site, count, limit)
  local children = {
    limit = checked_limit(limit), lists = { { count = count, first = 0, step = 1 } }, child = 1, position = 0, live = 0, started = 0, failed = {},
    units = { branch.unit }, results = value.array {},
  }
  check_branches(run, children)
  for i = 1, count do children.results[i] = value.null end
  branch.children, branch.site, branch.wait = children, site, CHILDREN
  M.proceed(run, branch)
end

--- Children that failed go on, as many at a time as the PARALLEL lets; it ends when they have.
function M.reopen(run, parent)
  local failed = parent.failed_children
  parent.children = {
    limit = failed.limit or math.huge, lists = {}, child = 1, position = 0, live = 0, started = #failed, failed = {}, units = {}, again = failed,
  }
  parent.failed_children, parent.wait = nil, CHILDREN
  M.proceed(run, parent)
end

--- Starts what there is room for; ends the PARALLEL when nothing is left.
function M.proceed(run, parent)
  local children = parent.children
  while parent.children == children and not children.closed and children.live < children.limit do
    if not start_next(run, parent) then break end
  end
  -- One that fails as soon as it goes on may have ended it all.
  if parent.children == children and children.live == 0 then finished(run, parent) end
end

--- A child has ended, well or with its `failure`.
function M.ended(run, branch)
  local parent = branch.parent
  local children = parent.children
  run:drop(branch)
  if branch.home and branch.home ~= parent.home then mailbox.pass_on(run, branch.home) end
  children.live = children.live - 1
  if branch.failure then
    children.failed[#children.failed + 1] = branch
    if branch.failure.uncatchable then children.closed = nil end
  end
  M.proceed(run, parent)
end

return M
