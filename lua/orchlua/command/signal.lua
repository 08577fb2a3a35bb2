-- `orchlua signal RUN NAME [JSON]`: hands a run a message. A process that drives the
-- run takes it at once; without one it waits in the store for a resume.

local core = require "orchlua.core"
local drive = require "orchlua.command.drive"
local errors = require "orchlua.error"
local output = require "orchlua.command.output"
local stdout = require "orchlua.command.stdout"
local store = require "orchlua.command.store"
local terminal = require "orchlua.command.terminal"
local typed = require "orchlua.command.typed"

local json = core.json

local M = {}

local function ended(found, message, options)
  local hint = message.kind == "signal" and found.status == "failed"
    and ("go on with it first: orchlua resume %s%s"):format(terminal.quoted(found.id), store.as_option(options)) or nil
  return errors.new("usage", ("the run `%s` has ended: %s"):format(found.id, found.status), { hint = hint })
end

--- Hands a run a message, and says who takes it.
---@param message { kind: "signal"|"cancel", name: string?, body: string? }
---@param done string   what to say of it: "sent", "cancelled"
---@return integer status
function M.send(options, message, done)
  local runtime, err = store.existing(options)
  if not runtime then return drive.complain(err) end
  local found, problem = runtime.store:find(options.run)
  if found and found.status ~= "running" then problem = ended(found, message, options) end
  local ok
  if not problem then ok, problem = runtime.store:send(found, message) end
  local holder = found and runtime.store:holder(found)
  runtime:close()
  if not ok then return drive.complain(problem) end
  if options.output == "none" then return 0 end
  if options.output == "json" then
    stdout:write(json.encode(output.object { { "run_id", found.id }, { "kind", message.kind }, { "name", message.name }, { "driver", holder } }), "\n")
  elseif holder then
    stdout:write(("%s: %s takes it\n"):format(done, holder))
  else
    stdout:write(("%s: nobody drives the run; it takes it when it goes on: orchlua resume %s%s\n"):format(done,
      terminal.quoted(found.id), store.as_option(options)))
  end
  return 0
end

--- `orchlua signal RUN NAME [JSON]`.
function M.main(options)
  local sent, err = typed.value(options.value or "null", "the signal's value")
  if sent == nil then return drive.complain(err) end
  return M.send(options, { kind = "signal", name = options.name, body = json.encode(sent) }, "sent")
end

return M
