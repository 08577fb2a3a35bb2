-- Where the command keeps runs, and opening it: `--store`, else $ORCHLUA_STORE, else a
-- file of the user's own.

local errors = require "orchlua.error"
local orchlua = require "orchlua"
local terminal = require "orchlua.command.terminal"

local M = {}

--- The store that a command uses: a path, or `:memory:`.
---@param options { store: string?, virtual_time: boolean? }
---@return string
function M.path(options)
  if options.store then return options.store end
  if options.virtual_time then return ":memory:" end
  local named = os.getenv "ORCHLUA_STORE"
  if named and named ~= "" then return named end
  local state = os.getenv "XDG_STATE_HOME"
  if not state or state == "" then state = (os.getenv "HOME" or ".") .. "/.local/state" end
  return state .. "/orchlua/orchlua.db"
end

local function refused(path)
  if path:find "^%a+://" then
    return errors.new("usage", ("the store %s: this release keeps runs in SQLite files and in memory"):format(path), { hint = "give a path with --store" })
  end
end

--- Makes a runtime on the store.
---@param options table            of the command line
---@param runtime_options table    the rest of the runtime's options
---@return orchlua.Runtime? runtime, orchlua.Error? err
function M.runtime(options, runtime_options)
  local path = M.path(options)
  local err = refused(path)
  if err then return nil, err end
  runtime_options.store = path
  return orchlua.runtime(runtime_options)
end

-- What the system says of a file that is not there (ENOENT); of others, opening the store tells more.
local NO_FILE = 2

--- A runtime for a command that looks at runs, or hands them something: there must be a store.
---@return orchlua.Runtime? runtime, orchlua.Error? err
function M.existing(options)
  local path = M.path(options)
  if path == ":memory:" then return nil, errors.new("usage", "runs in memory end with their process: give --store") end
  local file, _, code = io.open(path, "rb")
  if code == NO_FILE and not refused(path) then
    return nil, errors.new("usage", ("there is no store at %s: nothing has run yet"):format(path), { hint = "give another with --store" })
  end
  if file then file:close() end
  return M.runtime(options, { config = options.checked })
end

--- How a person names the store again: empty for the default one.
function M.as_option(options)
  return options.store and " --store " .. terminal.quoted(options.store) or ""
end

return M
