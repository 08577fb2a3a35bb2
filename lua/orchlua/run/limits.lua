-- What a run may take of the machine (`config/limits.lua` has the limits): the error of
-- type `limit` that names the one that was reached.

local core = require "orchlua.core"
local errors = require "orchlua.error"

local json = core.json

local M = {}

local MIB = 1024 * 1024

local UNITS = { { 1024 * MIB, "GiB" }, { MIB, "MiB" }, { 1024, "KiB" } }

--- Bytes as a person reads them: `64 MiB`.
---@param bytes integer
---@return string
function M.size(bytes)
  for _, unit in ipairs(UNITS) do
    if bytes >= unit[1] then return ("%.4g %s"):format(bytes / unit[1], unit[2]) end
  end
  return bytes .. " bytes"
end

--- The error for a limit that was reached.
---@param name string   as the configuration's `limits` has it
---@param text string   what would have been more
---@param fields? table
---@return orchlua.Error
function M.reached(name, text, fields)
  return errors.new("limit", ("%s (limits.%s)"):format(text, name), fields)
end

--- The limits of a run: those of its configuration, but for what it is given itself.
---@param configured orchlua.Limits.Run
---@param given { steps: integer?, memory: integer? }
---@return orchlua.Limits.Run
function M.of(configured, given)
  if not next(given) then return configured end
  return setmetatable(given, { __index = configured })
end

--- Whether a value's JSON is larger than a row of the journal may be.
---@param limits orchlua.Limits.Run
---@param v any
function M.beyond_row(limits, v)
  return (type(v) == "table" or type(v) == "string") and json.longer(v, limits.row)
end

return M
