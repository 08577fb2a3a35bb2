-- One resume, for `bench/durable.lua`: says when the agent of the next step is asked.
--   lua5.4 bench/resumed.lua STORE

dofile "build/orchlua.luac" -- as the command does

local config = require "orchlua.config"
local orchlua = require "orchlua"

local asked = false
local checked = assert(config.check({ agents = { ["*"] = function(request)
  io.stdout:write(request.agent_id, "\n")
  io.stdout:flush()
  asked = true
  return "ok"
end } }, ".", "bench"))
local rt = assert(orchlua.runtime { store = arg[1], config = checked })
assert(rt:resume "r")
rt:loop { stop = function() return asked end }
rt:close()
