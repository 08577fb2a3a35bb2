-- `orchestration:run`: a request whose answer is the result of a run of
-- its own. It is cancelled with its parent.

local budget = require "orchlua.run.budget"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local reply = require "orchlua.run.reply"

local json = core.json

local M = {}

-- A sub-run that never was has spent nothing.
local NOTHING = { input = 0, output = 0 }

-- Compiles a program of a sub-run: a file beside the program that starts it, or below.
local function compile_file(runtime, folder, file)
  if file:sub(1, 1) == "/" or ("/" .. file .. "/"):find("/../", 1, true) then
    return nil, errors.new("policy", ("a sub-run is a file beside its own program or below, and `%s` is not"):format(file))
  end
  if not runtime.options.compile_file then return nil, errors.new("event", "this runtime was given no `compile_file` for sub-runs") end
  return runtime.options.compile_file(folder, file, runtime.config)
end

-- A program that runs itself is stopped here.
local DEEPEST_SUB_RUN = 20

-- What a sub-run that has ended answers; nil when it was stopped, and may yet go on.
local function answer_of(request, status, result, err, duration, usage)
  local took = usage and budget.of_sub_run(usage)
  if status == "completed" then return { value = result, duration = duration, usage = took } end
  if status == "stopped" then return nil end
  local place = err.line and ("%s:%d"):format(request.file, err.line) or request.file
  return { error = errors.new(err.type, place .. ": " .. err.message, { status = err.status }), duration = duration, usage = took }
end

local function start(runtime, parent, request, depth)
  local program, err = compile_file(runtime, parent.setting.folder, request.file)
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

local function attach(runtime, parent, request, child, answer)
  runtime.calls[request] = {
    run = parent, request = request, child = child, abandon = function() child:deliver { kind = "cancel", reason = "its parent was cancelled" } end,
  }
  child.on_end = function(ended)
    if not runtime.calls[request] then return end
    local outcome = answer_of(request, ended.status, ended.result, ended.error, ended.duration, ended.usage)
    if outcome then answer(outcome) end
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

return M
