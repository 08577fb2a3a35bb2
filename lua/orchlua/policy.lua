-- What a literate file's front matter takes away from what the configuration
-- allows: it narrows, never adds.

local config = require "orchlua.config"

local M = {}

-- What a security profile may do; a profile that is not named here takes nothing away.
local PROFILES = {
  readonly = { events = { "agent:*", "state:entity:get", "state:entity:query" }, agents = {} },
  none = { events = {}, agents = {} },
}

--- The configuration as a program with this front matter sees it.
---@param checked table
---@param front? { security_profile: string? }
---@return table
function M.narrow(checked, front)
  local profile = front and PROFILES[front.security_profile]
  if not profile then return checked end
  return assert(config.narrow(checked, profile, "security_profile " .. front.security_profile))
end

return M
