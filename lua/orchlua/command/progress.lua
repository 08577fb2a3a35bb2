-- What a person sees while a run goes on: plain lines, or a live view where
-- standard error is a terminal; and the lines of `--output events`. The runtime
-- calls `record` for what happens in the run and `call` for what becomes of
-- calls; everything shown is derived from those two.

local output = require "orchlua.command.output"
local stdout = require "orchlua.command.stdout"
local terminal = require "orchlua.command.terminal"

local M = {}

local function nothing() end

local SILENT = { record = nothing, call = nothing, attach = nothing, stopping = nothing, close = nothing }

local function choose(options)
  if options.quiet then return SILENT end
  if terminal.is_terminal(2) and not options.virtual_time then return require("orchlua.command.live").new() end
  return require("orchlua.command.lines").new(io.stderr)
end

-- What was told before a resume is written again, and not shown again. Records are
-- written out at once: whoever reads the pipe sees them as they happen.
local function written(record)
  if record.type == "phase" or record.type == "warning" then return end
  stdout:write(output.line(record), "\n")
  stdout:flush()
end

--- A view for a run.
---@param options { quiet: boolean, output: string, virtual_time: boolean }
---@return { record: fun(record), call: fun(what, call, err), attach: fun(runtime, run), stopping: fun(signal), close: fun(), interrupted: fun(): boolean }
function M.new(options)
  local shown = choose(options)
  local events = options.output == "events"
  local loop
  return {
    record = function(record)
      if events then written(record) end
      if not record.again then shown.record(record) end
    end,
    call = shown.call,
    attach = function(runtime, run)
      loop = runtime.loop_handle
      shown.attach(runtime, run)
    end,
    stopping = shown.stopping,
    close = shown.close,
    interrupted = function() return loop ~= nil and loop:pending_signal() ~= nil end,
  }
end

return M
