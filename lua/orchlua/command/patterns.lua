-- `orchlua patterns [NAME]`: the pattern libraries that a program may call, and what one takes.

local config = require "orchlua.config"
local core = require "orchlua.core"
local drive = require "orchlua.command.drive"
local keys = require "orchlua.keys"
local output = require "orchlua.command.output"
local patterns = require "orchlua.patterns"
local stdout = require "orchlua.command.stdout"
local terminal = require "orchlua.command.terminal"

local json, value = core.json, core.value

local M = {}

local function parameters(pattern)
  local required, others = {}, {}
  for _, name in ipairs(keys.sorted(pattern.params)) do
    local declared = patterns.declared(pattern.params[name])
    declared.name, declared.required = name, declared.default == nil and not declared.optional
    local list = declared.required and required or others
    list[#list + 1] = declared
  end
  return table.move(others, 1, #others, #required + 1, required)
end

local function as_json(pattern)
  local list = value.array {}
  for i, parameter in ipairs(parameters(pattern)) do
    local default = parameter.default
    if default ~= nil then default = value.from_lua(default) end
    list[i] = output.object {
      { "name", parameter.name }, { "kind", parameter.kind }, { "required", parameter.required }, { "default", default },
      { "description", parameter.description },
    }
  end
  return output.object { { "name", pattern.name }, { "summary", pattern.summary }, { "params", list } }
end

local function default_text(parameter)
  if parameter.default == nil then return parameter.required and "required" or "optional" end
  return "default " .. json.encode(value.from_lua(parameter.default))
end

local function show_one(pattern, paint)
  stdout:write(paint("bold", pattern.name), "\n", pattern.summary and pattern.summary .. "\n" or "", "\n")
  for _, parameter in ipairs(parameters(pattern)) do
    stdout:write(("  %-14s %-16s %s\n"):format(parameter.name, (parameter.kind:gsub("|", " or ")), default_text(parameter)))
    if parameter.description then stdout:write("                 ", paint("dim", parameter.description), "\n") end
  end
end

local function brief(pattern)
  local texts = {}
  for i, parameter in ipairs(parameters(pattern)) do texts[i] = parameter.required and parameter.name or "[" .. parameter.name .. "]" end
  return table.concat(texts, " ")
end

local function show_all(list, broken, paint)
  for _, pattern in ipairs(list) do
    stdout:write(("%s  %s\n"):format(paint("bold", ("%-20s"):format(pattern.name)), pattern.summary or ""))
    stdout:write("                      ", paint("dim", brief(pattern)), "\n")
  end
  for _, err in ipairs(broken) do io.stderr:write("orchlua: ", terminal.clean(err.message), "\n") end
end

-- The patterns that are asked for, and the errors of those that cannot be loaded.
local function load(options, configured)
  local list, broken = {}, {}
  for _, name in ipairs(options.name and { options.name } or patterns.names(configured)) do
    local pattern, err = patterns.find(name, configured)
    if pattern then list[#list + 1] = pattern else broken[#broken + 1] = err end
  end
  return list, broken
end

--- `orchlua patterns [NAME]`.
---@param options table   as `arguments` reads them
---@return integer status
function M.main(options)
  local path = config.find(nil, options.config)
  local checked, err
  if path then checked, err = config.load(path) end
  if err then return drive.complain(err) end
  local list, broken = load(options, checked and checked.patterns)
  if options.name and broken[1] then return drive.complain(broken[1]) end
  if options.output == "json" then
    local objects = value.array {}
    for i, pattern in ipairs(list) do objects[i] = as_json(pattern) end
    stdout:write(json.encode(options.name and objects[1] or objects, 2), "\n")
  elseif options.name then
    show_one(list[1], terminal.painter(terminal.is_terminal(1)))
  else
    show_all(list, broken, terminal.painter(terminal.is_terminal(1)))
  end
  return 0
end

return M
