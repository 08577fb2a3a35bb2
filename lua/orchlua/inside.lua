-- What code inside an agent or an event handler may wait for, while its call is in
-- flight: other agents, and time. Its run knows of each question to another agent before
-- it is sent, and of what it took: such a question counts against the run's budget.

local call = require "orchlua.run.call"
local clock = require "orchlua.clock"
local core = require "orchlua.core"
local models = require "orchlua.run.models"

local value = core.value

local M = {}

-- Waits until `wake(...)` is called, and returns what it was given: `begin(wake)` starts what is
-- waited for, and may call it at once. `give_up()` is called when the wait is cut off.
local function wait_for(loop, begin, give_up)
  local co, woken, waiting = coroutine.running(), nil, false
  begin(function(...)
    woken = table.pack(...)
    if waiting then loop:resume(co) end
  end)
  if not woken then
    waiting = true
    local guard <close> = setmetatable({}, { __close = give_up })
    coroutine.yield(guard)
  end
  return table.unpack(woken, 1, woken.n)
end

-- What a question to an agent takes at worst; nil when it is no model.
local function worst_of(runtime, agent_id, prompt)
  local agent = runtime.agents:find(agent_id)
  local terms = agent and agent.terms and agent.terms(agent_id)
  return terms and models.worst(terms, prompt)
end

-- The call that a question stands under: the run's own, however deep agents ask one another.
local function root_of(context) return context.request.root or context end

-- Has the run reserve a try of a question; `granted(refused)` is called when it has, or will not.
local function account(question, granted)
  local root = question.root
  root.asking = root.asking or {}
  root.asking[question.ask] = granted
  root.run:deliver { kind = "ask", request = root.request.number, ask = question.ask, agent_id = question.agent_id, worst = question.worst }
end

-- Tells the run what a try took.
local function settle(question, usage)
  local root = question.root
  if question.worst then root.run:deliver { kind = "asked", request = root.request.number, ask = question.ask, usage = usage } end
end

local function question_of(runtime, context, agent_id, prompt)
  local root = root_of(context)
  context.asked, root.questions = (context.asked or 0) + 1, (root.questions or 0) + 1
  prompt = type(prompt) == "string" and prompt or prompt == nil and "" or value.text(prompt)
  return {
    kind = "agent", agent_id = agent_id, prompt = prompt, data = value.object {}, options = {}, attempt = 1, ask = root.questions, root = root,
    key = ("%s/%d"):format(context.request.key, context.asked), worst = worst_of(runtime, agent_id, prompt),
  }
end

-- The names of the agents whose calls a question is inside of.
local function path_of(context)
  local path = setmetatable({}, { __index = context.path })
  if context.agent then path[context.agent.name] = true end
  return path
end

-- Another try of a question is asked for as the first one was.
local function try_again(asked, usage)
  local question = asked.request
  settle(question, usage)
  account(question, function(refused)
    if refused then asked:fail(refused) else asked:try() end
  end)
end

local function send(runtime, context, question, done)
  question.account = try_again
  return call.start(runtime, context.run, question, path_of(context), function(ended, answer, err)
    settle(question, ended.usage)
    done(answer, err)
  end)
end

--- Asks another agent from inside an agent or a handler: waits for its answer.
---@param runtime orchlua.Runtime
---@param context orchlua.Call   the call this is made inside
---@return any answer, orchlua.Error? err
function M.ask(runtime, context, agent_id, prompt)
  local loop, question = runtime.loop_handle, question_of(runtime, context, agent_id, prompt)
  local function forget() question.root.asking[question.ask] = nil end
  local refused = wait_for(loop, function(wake) account(question, wake) end, forget)
  if refused then return nil, refused end
  local asked
  local answer, err = wait_for(loop, function(wake) asked = send(runtime, context, question, wake) end, function()
    forget()
    asked:abandon()
  end)
  if err then return nil, err end
  return answer
end

--- Waits inside an agent or a handler, on the runtime's clock.
---@param runtime orchlua.Runtime
---@param seconds number
function M.sleep(runtime, seconds)
  local due
  wait_for(runtime.loop_handle, function(wake) due = runtime.clock:after(seconds, clock.REPLY, wake) end, function() runtime.clock:cancel(due) end)
end


return M
