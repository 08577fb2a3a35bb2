-- What the front matter of literate files takes away from what the configuration allows:
-- `security_profile` names a profile, `capabilities` the events and agents that are left. It
-- narrows, never adds; a name that means nothing here has no effect, and `judge` says so.

local config = require "orchlua.config"
local front_matter = require "orchlua.dsl.front_matter"
local nearest = require "orchlua.nearest"

local M = {}

-- Profiles that are always there; the configuration's `policy.profiles` adds others.
local PROFILES = {
  readonly = { events = { "agent:*", "state:entity:get", "state:entity:query" }, agents = {} },
  none = { events = {}, agents = {} },
}

-- What a list leaves; one that is empty leaves nothing, and one in which no name means anything all.
local function rules_of(capabilities)
  local names = type(capabilities) == "table" and capabilities or { capabilities }
  if capabilities ~= nil and #names == 0 then return { events = {}, agents = {} } end
  local rules = {}
  for _, name in ipairs(names) do
    local section, rule
    if type(name) == "string" then section, rule = front_matter.capability(name) end
    if section then
      rules[section] = rules[section] or {}
      table.insert(rules[section], rule)
    end
  end
  return rules
end

local function profile_of(checked, name)
  return PROFILES[name] or config.profile(checked, name)
end

local function profile_names(checked)
  local names = config.profile_names(checked)
  for name in pairs(PROFILES) do names[#names + 1] = name end
  return names
end

--- What of a literate file's front matter takes nothing away: an error where the name of a profile is misspelt, else
--- warnings. Each says its field.
---@param checked orchlua.Config
---@param front? { security_profile: string?, capabilities: string[]? }
---@return { severity: string, field: string, message: string, hint: string? }[]
function M.judge(checked, front)
  local found = {}
  local profile = front and front.security_profile
  if profile and not profile_of(checked, profile) then
    local hint = nearest.hint(profile, profile_names(checked))
    found[1] = { severity = hint and "error" or "warning", field = "security_profile", hint = hint,
      message = ("there is no security profile `%s`%s"):format(profile, hint and "" or ": it takes nothing away") }
  end
  if front and front.capabilities and not next(rules_of(front.capabilities)) then
    found[#found + 1] = { severity = "warning", field = "capabilities",
      message = "no name in `capabilities` is one of events or of agents: they take nothing away" }
  end
  return found
end

--- The configuration as a program with this front matter sees it.
---@param checked orchlua.Config
---@param front? { security_profile: string?, capabilities: string[]? }
---@return orchlua.Config
function M.narrow(checked, front)
  if not front then return checked end
  local profile = profile_of(checked, front.security_profile)
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
