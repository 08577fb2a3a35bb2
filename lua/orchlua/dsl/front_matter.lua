-- The front matter of a Markdown file: YAML between two `---` lines at its top. Two of its
-- fields take rights away (`policy.lua`), so whatever in them would be passed over as if it
-- were not there is an error with its line.

local nearest = require "orchlua.nearest"

local M = {}

local DESCRIBING = { "name", "version", "description" }
local NARROWING = { "security_profile", "capabilities" }

-- What a field is, in words.
local function shown(v)
  if type(v) == "string" then return v == "" and "an empty text" or ("`%s`"):format(v) end
  if v == require("lyaml").null then return "nothing" end
  if type(v) ~= "table" then return ("the %s %s"):format(type(v), tostring(v)) end
  return next(v) == nil and "an empty list or mapping" or #v > 0 and "a list" or "a mapping"
end

--- Whether a text of `capabilities` names events (`completion:async`) or agents (`agents:NAME`).
---@return "events"|"agents"? section, string? name
function M.capability(text)
  local agents = text:match "^agents:(.+)$"
  if agents then return "agents", agents end
  if text:find "^[^%s:]+:%S+$" then return "events", text end
end

local checks = {}

function checks.security_profile(v)
  if type(v) == "string" and v ~= "" then return nil end
  return ("`security_profile` is the name of a profile, and got %s"):format(shown(v))
end

local function capability_problem(v)
  if type(v) ~= "string" or v == "" then return ("`capabilities` is a list of names, and got %s%s"):format(shown(v), v == "" and "" or " in it") end
  if v:find(":", 1, true) and not M.capability(v) then
    return ("`capabilities`: `%s` is neither the name of an event, as `completion:async` is, nor of agents, as `agents:NAME` is"):format(v)
  end
end

function checks.capabilities(v)
  if type(v) == "string" then return capability_problem(v) end
  if type(v) ~= "table" or v == require("lyaml").null or next(v) and #v == 0 then
    return ("`capabilities` is a list of names, and got %s%s"):format(shown(v), v == require("lyaml").null and "; `[]` allows nothing" or "")
  end
  for _, name in ipairs(v) do
    local problem = capability_problem(name)
    if problem then return problem end
  end
end

-- The lines of the text that a field is written on; the first for one that is written in another way.
local function lines_of(text, field)
  local found, number = {}, 0
  for line in (text .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    local name = line:match "^[\"']?([^%s\"':]+)[\"']?%s*:"
    if name == field then found[#found + 1] = number end
  end
  return found[1] and found or { 1 }
end

local function meant_by(key)
  local meant = type(key) == "string" and nearest.find(key, NARROWING)
  return meant ~= key and meant or nil
end

-- The first field that is none, and was meant to be one that takes rights away; and its line.
local function misspelt(parsed, text)
  local first, line
  for key in pairs(parsed) do
    local at = meant_by(key) and lines_of(text, key)[1]
    if at and (not first or at < line or at == line and key < first) then first, line = key, at end
  end
  return first, line
end

local function problem_of(parsed, text)
  local key, line = misspelt(parsed, text)
  if key then return ("there is no field `%s`; did you mean `%s`?"):format(key, meant_by(key)), line end
  for _, field in ipairs(NARROWING) do
    local lines = lines_of(text, field)
    if lines[2] then return ("`%s` is given twice"):format(field), lines[2] end
    local message = parsed[field] ~= nil and checks[field](parsed[field])
    if message then return message, lines[1] end
  end
end

local function yaml_mapping(text)
  local ok, parsed = pcall(require("lyaml").load, text)
  if not ok then
    local line, message = tostring(parsed):match "(%d+):%d+: (.*)$"
    return nil, "the front matter is no YAML: " .. (message or tostring(parsed)), tonumber(line) or 1
  end
  if parsed == nil or text:find "^%s*$" then return {} end
  if type(parsed) ~= "table" or #parsed > 0 then return nil, "the front matter is no YAML mapping", 1 end
  return parsed
end

--- Reads the YAML between the two lines.
---@param text string
---@return table? front      its known fields; of those that describe, the ones that are texts
---@return string? problem, integer? line   what is wrong, and on which of its lines
---@return table<string, integer>? lines     the line of each field that narrows
function M.read(text)
  local parsed, message, line = yaml_mapping(text)
  if not parsed then return nil, message, line end
  message, line = problem_of(parsed, text)
  if message then return nil, message, line end
  local front, lines = {}, {}
  for _, key in ipairs(DESCRIBING) do front[key] = type(parsed[key]) == "string" and parsed[key] or nil end
  for _, key in ipairs(NARROWING) do front[key], lines[key] = parsed[key], lines_of(text, key)[1] end
  return front, nil, nil, lines
end

return M
