-- `orchlua signal RUN NAME [JSON]`: hands a run a message. A process that drives the
-- run takes it at once; without one it waits in the store for a resume.

local core = require "orchlua.core"
local drive = require "orchlua.command.drive"
local errors = require "orchlua.error"
local output = require "orchlua.command.output"
local store = require "orchlua.command.store"
local terminal = require "orchlua.command.terminal"

local json, value = core.json, core.value

local M = {}

-- VALUE is JSON, or else text.
local function body_of(text)
  if text == nil then return "null" end
  local decoded = json.decode(text)
  if decoded == nil then decoded = value.utf8(text) end
  return json.encode(decoded)
end

--- Hands a run a message, and says who takes it.
---@param message { kind: "signal"|"cancel", name: string?, body: string? }
---@param done string   what to say of it: "sent", "cancelled"
---@return integer status
function M.send(options, message, done)
  local runtime, err = store.existing(options)
  if not runtime then return drive.complain(err) end
  local found, problem = runtime.store:find(options.run)
  if found and found.status ~= "running" then problem = errors.new("usage", ("the run `%s` has ended: %s"):format(found.id, found.status)) end
  local ok
  if not problem then ok, problem = runtime.store:send(found, message) end
  local holder = found and runtime.store:holder(found)
  runtime:close()
  if not ok then return drive.complain(problem) end
  if options.output == "none" then return 0 end
  if options.output == "json" then
    io.stdout:write(json.encode(output.object { { "run_id", found.id }, { "kind", message.kind }, { "name", message.name }, { "driver", holder } }), "\n")
  elseif holder then
    io.stdout:write(("%s: %s takes it\n"):format(done, holder))
  else
    io.stdout:write(("%s: nobody drives the run; it takes it when it goes on: orchlua resume %s%s\n"):format(done,
      terminal.quoted(found.id), store.as_option(options)))
  end
  return 0
end

--- `orchlua signal RUN NAME [JSON]`.
function M.main(options)
  return M.send(options, { kind = "signal", name = options.name, body = body_of(options.value) }, "sent")
end

return M
