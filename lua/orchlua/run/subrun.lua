-- `orchestration:run`: a request whose answer is the result of a run of
-- its own. It is cancelled with its parent.

local errors = require "orchlua.error"

local M = {}

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

--- A sub-run: its result is the request's answer.
function M.start(runtime, parent, request)
  local function answer(outcome)
    runtime.calls[request] = nil
    outcome.kind, outcome.request, outcome.attempts, outcome.duration = "reply", request.number, 1, outcome.duration or 0
    parent:deliver(outcome)
  end
  local depth = (parent.depth or 0) + 1
  if depth > DEEPEST_SUB_RUN then
    return answer { error = errors.new("limit", ("sub-runs nested more than %d deep"):format(DEEPEST_SUB_RUN)) }
  end
  local program, err = compile_file(runtime, parent.folder, request.file)
  if not program then return answer { error = err } end
  local child
  child, err = runtime:start(program, { input = request.input, run_id = request.key, folder = program.folder, path = parent.path })
  if not child then
    err.hint = "give it in `input` of orchestration:run"
    return answer { error = err }
  end
  child.depth = depth
  runtime.calls[request] = { run = parent, request = request, abandon = function() child:deliver { kind = "cancel", reason = "its parent was cancelled" } end }
  child.on_end = function(ended)
    if not runtime.calls[request] then return end
    if ended.status == "completed" then return answer { value = ended.result, duration = ended.duration } end
    answer { error = errors.new(ended.error.type, ("%s: %s"):format(request.file, ended.error.message), { cause = ended.error }), duration = ended.duration }
  end
end

return M
