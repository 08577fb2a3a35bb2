-- `orchlua cancel RUN`: ends a run. A process that drives it cancels it at once; without
-- one this command drives the run to its end, so that its FINALLY blocks run.

local drive = require "orchlua.command.drive"
local resume = require "orchlua.command.resume"
local signal = require "orchlua.command.signal"
local stdout = require "orchlua.command.stdout"
local store = require "orchlua.command.store"

local M = {}

-- How a run stands: its status, and whether somebody drives it.
local function standing(options)
  local runtime, err = store.existing(options)
  if not runtime then return nil, err end
  local found, problem = runtime.store:find(options.run)
  local driven = found and runtime.store:holder(found) ~= nil
  runtime:close()
  return found and { status = found.status, driven = driven }, problem
end

-- The run was not to be had. It has been told all the same when somebody was quicker, who
-- drives it now or has ended it so already.
local function outrun(options)
  return function(refused)
    local now = standing(options)
    local told = now and (now.status == "cancelled" or now.status == "running" and now.driven)
    return told and drive.STATUS.cancelled or drive.complain(refused)
  end
end

--- `orchlua cancel RUN`.
function M.main(options)
  local found, err = standing(options)
  if not found then return drive.complain(err) end
  local alone = found.status == "running" and not found.driven
  local told = { output = alone and "none" or options.output, run = options.run, store = options.store }
  local status = signal.send(told, { kind = "cancel", name = options.reason }, "cancelled")
  if not alone or status ~= 0 then return status end
  status = resume.main { run = options.run, store = options.store, output = options.output, quiet = true, durability = "full", refused = outrun(options) }
  if options.output == "text" and status == drive.STATUS.cancelled then stdout:write("cancelled\n") end
  return status == drive.STATUS.cancelled and 0 or status
end

return M
