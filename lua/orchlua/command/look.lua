-- A run of the store as it stands, for `show` and `trace`: its row, and the run itself
-- brought back without anybody driving it.

local config = require "orchlua.config"
local core = require "orchlua.core"
local resume = require "orchlua.resume"
local store = require "orchlua.command.store"

local value = core.value

local M = {}

-- The configuration that the run began with, where it can still be read: it says which
-- events somebody handles.
local function config_of(path, run_id)
  local runtime, err = store.existing(path)
  if not runtime then return nil, err end
  local found, problem = runtime.store:find(run_id)
  runtime:close()
  if not found then return nil, problem end
  local file = found.options.config
  local checked = file and file ~= value.null and config.load(file)
  return checked or config.default()
end

--- Finds a run of the store and opens a runtime on it; close the runtime.
---@param options { run: string, store: string? }
---@return orchlua.Runtime? runtime
---@return table found     the run's row; an error when there is none
---@return orchlua.Run? run, orchlua.Error? problem   the run itself, where it can be brought back
function M.open(options)
  local checked, err = config_of(options, options.run)
  if not checked then return nil, err end
  local runtime
  runtime, err = store.existing { store = options.store, checked = checked }
  if not runtime then return nil, err end
  local found, problem = runtime.store:find(options.run)
  if not found then
    runtime:close()
    return nil, problem
  end
  local run, broken = resume.look(runtime, found)
  return runtime, found, run, broken
end

return M
