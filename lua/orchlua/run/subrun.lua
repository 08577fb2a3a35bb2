-- `orchestration:run`: a request whose answer is the result of a run of
-- its own. It is cancelled with its parent; where it is stopped its parent is too, and a resume goes on with both.

local budget = require "orchlua.run.budget"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local in_flight = require "orchlua.run.in_flight"
local reply = require "orchlua.run.reply"

local json = core.json

local M = {}

-- A sub-run that never was has spent nothing.
local NOTHING = { input = 0, output = 0 }

--- Compiles the program of a sub-run: a file beside the program that starts it, or below.
---@param options { compile_file: fun(folder: string, file: string, config: table): orchlua.Program?, orchlua.Error? }   as a runtime has them
---@return orchlua.Program? program, orchlua.Error? err
function M.compile_file(options, folder, file, config)
  if file:sub(1, 1) == "/" or ("/" .. file .. "/"):find("/../", 1, true) then
    return nil, errors.new("policy", ("a sub-run is a file beside its own program or below, and `%s` is not"):format(file))
  end
  if not options.compile_file then return nil, errors.new("event", "this runtime was given no `compile_file` for sub-runs") end
  return options.compile_file(folder, file, config)
end

-- A program that runs itself is stopped here.
local DEEPEST_SUB_RUN = 20

-- What a sub-run that has ended answers.
local function answer_of(request, status, result, err, duration, usage)
  local took = usage and budget.of_sub_run(usage)
  if status == "completed" then return { value = result, duration = duration, usage = took } end
  local place = err.line and ("%s:%d"):format(request.file, err.line) or request.file
  return { error = errors.new(err.type, place .. ": " .. err.message, { status = err.status }), duration = duration, usage = took }
end

local function start(runtime, parent, request, depth)
  local program, err = M.compile_file(runtime.options, parent.setting.folder, request.file, runtime.config)
  if not program then return nil, err end
  local child
  child, err = runtime:start(program, {
    input = request.input, run_id = request.key, folder = program.folder, path = parent.path, parent = parent.id, depth = depth,
    budget = request.allotted, fronts = parent.setting.fronts,
  })
  if child then return child end
  if err.hint and err.hint:find "^%-%-input" then err.hint = "give it in `input` of orchestration:run" end
  return nil, err
end

-- The sub-run that an earlier driver of the parent started: it goes on, or what it
-- ended with is the answer.
local function earlier(runtime, request)
  if not runtime.journal or not runtime.store:exists(request.key) then return nil end
  local found, err = runtime.store:find(request.key)
  if not found then return nil, { error = err } end
  if found.status == "running" then
    local child, problem = runtime:resume(request.key)
    return child, problem and { error = problem }
  end
  local outcome = found.outcome and json.decode(found.outcome)
  return nil, answer_of(request, found.status, outcome, outcome, 0, found.usage and json.decode(found.usage))
end

-- What a sub-run is told that nobody waits for.
local ENDED = "its parent was cancelled"

local function attach(runtime, parent, request, child, answer)
  runtime.calls[request] = {
    run = parent, request = request, child = child, abandon = function() child:deliver { kind = "cancel", reason = ENDED } end,
  }
  child.on_end = function(ended)
    if not runtime.calls[request] then return end
    if ended.status == "stopped" then return runtime:stop(parent, ended.error) end
    answer(answer_of(request, ended.status, ended.result, ended.error, ended.duration, ended.usage))
  end
end

--- A sub-run: its result is the request's answer.
function M.start(runtime, parent, request)
  local function answer(outcome)
    runtime.calls[request] = nil
    parent:deliver(reply.row(parent, request, outcome.value, outcome.error, 1, outcome.duration, nil, outcome.usage or NOTHING))
  end
  local depth = parent.depth + 1
  if depth > DEEPEST_SUB_RUN then
    return answer { error = errors.new("limit", ("sub-runs nested more than %d deep"):format(DEEPEST_SUB_RUN)) }
  end
  local child, known = earlier(runtime, request)
  if known then return answer(known) end
  local err
  if not child then child, err = start(runtime, parent, request, depth) end
  if not child then return answer { error = err } end
  attach(runtime, parent, request, child, answer)
end

--- Ends a sub-run that nobody drives, and whose parent does not wait for it: it is cancelled, as it would have been.
---@param id string
---@return orchlua.Run? run, orchlua.Error? err
function M.finish(runtime, id)
  local run, err = runtime:resume(id)
  if not run then return nil, err end
  run:deliver { kind = "cancel", reason = ENDED }
  return run
end

--- Ends the sub-runs that a run has left, and that a crash left at work. Where that cannot be, another driver does it.
---@param run orchlua.Run   that was brought back
function M.finish_left(runtime, run)
  local awaited = {}
  for _, request in ipairs(in_flight.list(run)) do awaited[request.key] = true end
  for _, child in ipairs(runtime.store:children(run.id) or {}) do
    if not awaited[child.id] then M.finish(runtime, child.id) end
  end
end

return M
