-- User code in Lua (agents, event handlers) in coroutines: it may wait without
-- stopping the loop. Coroutines that ended well are used again. Which call a
-- coroutine works for is known here, so that `orchlua.ask` and its like find it.

local resume, yield = coroutine.resume, coroutine.yield

local M = {}

---@class orchlua.Tasks   a pool of coroutines
---@field idle thread[]    those that wait for work

--- A pool of tasks.
---@return orchlua.Tasks
function M.new() return { idle = {} } end

-- By coroutine, the context it was started with.
local contexts = setmetatable({}, { __mode = "k" })

--- The context of the task that is running, or nil outside of any.
function M.context()
  return contexts[coroutine.running()]
end

-- A task that was stopped while it ran itself tells nobody how it ended.
local function work(idle, co)
  while true do
    local context, fn, argument, extra, done = yield()
    local ok, result, more = pcall(fn, argument, extra)
    if contexts[co] == context then
      contexts[co] = nil
      done(context, ok, result, more)
    end
    idle[#idle + 1] = co
  end
end

local function new(idle)
  local co = coroutine.create(work)
  assert(resume(co, idle, co))
  idle[1] = co
end

--- Runs `fn(argument, extra)` in a coroutine; `done(context, ok, result, more)` is called with
--- what it returned, or what it raised, when it has, before this returns if it never waits.
---@param self orchlua.Tasks
---@param context table
---@param done fun(context: table, ok: boolean, result: any, more: any)
---@return thread
function M.start(self, context, fn, argument, extra, done)
  local idle = self.idle
  if not idle[1] then new(idle) end
  local last = #idle
  local co = idle[last]
  idle[last], contexts[co] = nil, context
  local ok, message = resume(co, context, fn, argument, extra, done)
  if not ok then error(message, 0) end
  return co
end

--- Ends a task that waits: its `<close>` variables end what it waited for.
function M.stop(co)
  contexts[co] = nil
  if coroutine.status(co) == "suspended" then coroutine.close(co) end
end

return M
