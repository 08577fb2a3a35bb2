-- User code in Lua (agents, event handlers) in coroutines: it may wait without
-- stopping the loop. Coroutines that ended well are used again. Which call a
-- coroutine works for is known here, so that `orchlua.ask` and its like find it.

local resume, yield = coroutine.resume, coroutine.yield

local M = {}

---@class orchlua.Tasks   a pool of tasks
---@field idle orchlua.Task[]    those that wait for work

---@class orchlua.Task     a coroutine and what it works for
---@field co thread
---@field context any      false once it is stopped
---@field done? function   whom to tell when it ends later than in the turn it began in

--- A pool of tasks.
---@return orchlua.Tasks
function M.new() return { idle = {} } end

-- By coroutine, its task.
local tasks = setmetatable({}, { __mode = "k" })

--- The context of the task that is running, or nil outside of any.
function M.context()
  local task = tasks[coroutine.running()]
  return task and task.context or nil
end

-- What a task yields that ended in the turn it began in.
local ENDED = {}

-- Tells how a task ended that did so later. One that was stopped while it ran itself tells nobody.
local function tell(idle, task, ok, result, more)
  local done, context = task.done, task.context
  task.done, task.context = nil, false
  if context then done(context, ok, result, more) end
  idle[#idle + 1] = task
end

local function work(idle, task)
  local fn, argument, extra = yield()
  while true do
    local ok, result, more = pcall(fn, argument, extra)
    if task.done then
      tell(idle, task, ok, result, more)
      fn, argument, extra = yield()
    else
      fn, argument, extra = yield(ENDED, ok, result, more)
    end
  end
end

local function new(idle)
  local task = { co = coroutine.create(work), context = false, done = nil }
  tasks[task.co] = task
  assert(resume(task.co, idle, task))
  return task
end

--- Runs `fn(argument, extra)` in a coroutine. What it returned, or raised, is given if it
--- never waits; else the task, and `done(context, ok, result, more)` is called later.
---@param self orchlua.Tasks
---@param context table
---@param done fun(context: table, ok: boolean, result: any, more: any)
---@return orchlua.Task? task   nil when it has ended
---@return boolean? ok
---@return any result
---@return any more
function M.start(self, context, fn, argument, extra, done)
  local idle = self.idle
  local last = #idle
  local task = idle[last] or new(idle)
  idle[last], task.context = nil, context
  local alive, outcome, ok, result, more = resume(task.co, fn, argument, extra)
  if not alive then error(outcome, 0) end
  if outcome == ENDED then
    task.context, idle[#idle + 1] = false, task
    return nil, ok, result, more
  end
  task.done = done
  return task
end

--- Ends a task that waits: its `<close>` variables end what it waited for.
---@param task orchlua.Task
function M.stop(task)
  task.context = false
  if coroutine.status(task.co) == "suspended" then coroutine.close(task.co) end
end

return M
