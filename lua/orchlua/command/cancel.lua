-- `orchlua cancel RUN`: ends a run. A process that drives it cancels it at once; without
-- one this command drives the run to its end, so that its FINALLY blocks run.

local drive = require "orchlua.command.drive"
local resume = require "orchlua.command.resume"
local signal = require "orchlua.command.signal"
local store = require "orchlua.command.store"

local M = {}

-- Whether somebody drives the run; nil and an error when there is none.
local function driven(options)
  local runtime, err = store.existing(options)
  if not runtime then return nil, err end
  local found, problem = runtime.store:find(options.run)
  local holder = found and (found.status ~= "running" or runtime.store:holder(found) ~= nil)
  runtime:close()
  return holder, problem
end

--- `orchlua cancel RUN`.
function M.main(options)
  local holder, err = driven(options)
  if holder == nil then return drive.complain(err) end
  local told = { output = holder and options.output or "none", run = options.run, store = options.store }
  local status = signal.send(told, { kind = "cancel", name = options.reason }, "cancelled")
  if holder or status ~= 0 then return status end
  status = resume.main { run = options.run, store = options.store, output = options.output, quiet = true, durability = "full" }
  if options.output == "text" and status == drive.STATUS.cancelled then io.stdout:write("cancelled\n") end
  return status == drive.STATUS.cancelled and 0 or status
end

return M
