-- Orchestrator and workers: tasks wait in a queue, and whoever is idle gets the next. A worker that fails gives
-- its task to another, never to itself again.
--
--   EVENT pattern:orchestrator_worker {tasks: tasks, workers: ["w1", "w2"], priority: "priority", reporter: "boss"} AS done

local orchlua = require "orchlua"
local patterns = require "orchlua.patterns"

local function by_priority(tasks, field)
  local queue = {}
  for i, task in ipairs(tasks) do
    local priority = field and type(task) == "table" and tonumber(task[field]) or 0
    queue[i] = { task = task, priority = priority, order = i, tried = {}, handed_on = 0, errors = {} }
  end
  table.sort(queue, function(a, b)
    if a.priority ~= b.priority then return a.priority > b.priority end
    return a.order < b.order
  end)
  return queue
end

-- The first waiting task that a worker has not failed at.
local function next_for(queue, worker)
  for i, entry in ipairs(queue) do
    if not entry.tried[worker] then return table.remove(queue, i) end
  end
end

local function untried(entry, workers)
  for _, worker in ipairs(workers) do
    if not entry.tried[worker] then return true end
  end
  return false
end

-- A failed task goes back to the front of the queue, or is given up.
local function handle_failure(state, p, entry, worker, err)
  entry.tried[worker] = true
  entry.errors[#entry.errors + 1] = { worker = worker, error = err }
  if entry.handed_on < (p.retries or #p.workers - 1) and untried(entry, p.workers) then
    entry.handed_on = entry.handed_on + 1
    table.insert(state.queue, 1, entry)
  else
    state.failed[#state.failed + 1] = { task = entry.task, errors = entry.errors }
  end
end

local function assign(flow, p, state)
  for _, worker in ipairs(p.workers) do
    local entry = not state.busy[worker] and next_for(state.queue, worker)
    if entry then
      state.busy[worker], state.working = entry, state.working + 1
      flow:send(worker, patterns.fill(p.prompt, { task = entry.task }), { timeout = p.timeout })
      flow:emit("agent:status", { worker = worker, task = entry.order, status = "assigned" })
    end
  end
end

local function collect(flow, p, state)
  local reply = flow:await { from = p.workers }
  local worker = reply.agent_id
  local entry = state.busy[worker]
  if not entry then return end
  state.busy[worker], state.working = nil, state.working - 1
  if reply.success == true then
    state.completed[#state.completed + 1] = { task = entry.task, worker = worker, output = reply.output, result = reply.result }
  else
    handle_failure(state, p, entry, worker, reply.error)
  end
  local done = #state.completed + #state.failed
  flow:emit("agent:progress", { completed = #state.completed, failed = #state.failed, progress_percent = 100 * done / state.total })
end

-- The reporter's text; when it fails, what was done is kept, and its error told.
local function report(flow, p, state)
  local done = orchlua.object { { "completed", state.completed }, { "failed", state.failed } }
  local ok, reply = flow:try(function()
    return flow:ask(p.reporter, patterns.fill("Generate task completion report: {done}", { done = done }), { timeout = p.timeout })
  end)
  if ok then return reply.output end
  return orchlua.null, { type = reply.type, message = reply.message }
end

return {
  name = "orchestrator_worker",
  summary = "Tasks wait in a queue; whoever is idle gets the next, and a failed one goes to another worker.",
  params = {
    tasks = { "array", description = "the tasks, texts or objects" },
    workers = { "array", description = "who does them" },
    prompt = { "string", default = "Execute task: {task}", description = "{task} is the task, {task.field} a field of it" },
    priority = { "string", optional = true, description = "a field of the tasks: the highest first" },
    retries = { "integer", optional = true, description = "how often a task is handed on; by default until every worker has failed at it" },
    timeout = { "number", optional = true, description = "seconds for each task" },
    reporter = { "string", optional = true, description = "an agent that makes a report of what was done" },
  },

  --- Gives {output, completed, failed}: the reporter's text; {task, worker, output, result} of each that succeeded, in
  --- that order; {task, errors} of each that was given up. When the reporter fails, `output` is null and `reporter_error` says why.
  run = function(flow, p)
    if #p.workers == 0 then error { type = "pattern", message = "pattern orchestrator_worker: `workers` is empty" } end
    flow:track { pattern = "orchestrator_worker", tasks = #p.tasks, workers = #p.workers }
    local state = {
      queue = by_priority(p.tasks, p.priority), busy = {}, working = 0, total = #p.tasks,
      completed = orchlua.array {}, failed = orchlua.array {},
    }
    repeat
      assign(flow, p, state)
      if state.working > 0 then collect(flow, p, state) end
    until state.working == 0 and #state.queue == 0
    local output, err = orchlua.null, nil
    if p.reporter then output, err = report(flow, p, state) end
    return { output = output, completed = state.completed, failed = state.failed, reporter_error = err }
  end,
}
