-- What the front matter of literate files takes away from what the configuration allows:
-- `security_profile` names a profile, `capabilities` the events and agents that are left. It
-- narrows, never adds, and what a name means nothing to has no effect.

local config = require "orchlua.config"

local M = {}

-- Profiles that are always there; the configuration's `policy.profiles` adds others.
local PROFILES = {
  readonly = { events = { "agent:*", "state:entity:get", "state:entity:query" }, agents = {} },
  none = { events = {}, agents = {} },
}

local function add(rules, section, rule)
  rules[section] = rules[section] or {}
  table.insert(rules[section], rule)
end

-- `agents:NAME` names agents, another name with a colon events; the rest is prose.
local function rules_of(capabilities)
  local rules = {}
  for _, name in ipairs(type(capabilities) == "table" and capabilities or { capabilities }) do
    local agent = type(name) == "string" and name:match "^agents:(.+)$"
    if agent then
      add(rules, "agents", agent)
    elseif type(name) == "string" and name:find "^[^%s:]+:%S+$" then
      add(rules, "events", name)
    end
  end
  return rules
end

--- The configuration as a program with this front matter sees it.
---@param checked orchlua.Config
---@param front? { security_profile: string?, capabilities: string[]? }
---@return orchlua.Config
function M.narrow(checked, front)
  if not front then return checked end
  local profile = PROFILES[front.security_profile] or config.profile(checked, front.security_profile)
  if profile then checked = assert(config.narrow(checked, profile, "security_profile " .. front.security_profile)) end
  local rules = rules_of(front.capabilities)
  if not next(rules) then return checked end
  return assert(config.narrow(checked, rules, "capabilities"))
end

--- The same for several: a sub-run is under the front matter of those that led to it, and its own.
---@param checked orchlua.Config
---@param fronts table[]
---@return orchlua.Config
function M.narrow_all(checked, fronts)
  for _, front in ipairs(fronts) do checked = M.narrow(checked, front) end
  return checked
end

return M
