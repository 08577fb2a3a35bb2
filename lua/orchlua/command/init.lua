-- The command `orchlua`: its subcommands, and the way from arguments to one of
-- them. `orchlua FILE` is `orchlua run FILE`.

local arguments = require "orchlua.command.arguments"
local collector = require "orchlua.collector"
local core = require "orchlua.core"
local stdout = require "orchlua.command.stdout"

local M = {}

local function subcommand(name)
  return function(options)
    local command = require("orchlua.command." .. name)
    collector.begin()
    return command.main(options)
  end
end

local subcommands = {}
for _, name in ipairs { "run", "check", "runs", "show", "trace", "resume", "signal", "cancel", "patterns" } do subcommands[name] = subcommand(name) end

--- Runs the command.
---@param argv string[]
---@return integer status   the process's exit status
function M.main(argv)
  local options, message, status = arguments.parse(argv)
  if not options then
    (status == 0 and stdout or io.stderr):write(message, "\n")
    return stdout:finish(status)
  end
  core.loop.allow_files()
  return stdout:finish(subcommands[options.command](options))
end

return M
