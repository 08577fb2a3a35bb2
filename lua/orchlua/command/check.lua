-- `orchlua check FILE...`: errors and warnings, no run. Exit status 2 on errors,
-- 0 on warnings alone.

local core = require "orchlua.core"
local diagnostics = require "orchlua.command.diagnostics"
local program = require "orchlua.command.program"
local stdout = require "orchlua.command.stdout"
local terminal = require "orchlua.command.terminal"

local value, json = core.value, core.json

local M = {}

local function add_error(found, err)
  found[#found + 1] = { severity = "error", file = err.file, line = err.line, column = err.line and 1, message = err.message, hint = err.hint }
end

local function check_target(target, explicit, found)
  local list, err = program.choose_all(target)
  if not list then return add_error(found, err) end
  local checked, problem = program.config(list[1], explicit)
  if not checked then return add_error(found, problem) end
  for i, chosen in ipairs(list) do
    local _, diagnosed = program.compile(chosen, checked)
    for _, diagnostic in ipairs(diagnosed) do
      if i == 1 or not diagnostic.field then found[#found + 1] = diagnostic end
    end
  end
end

local function as_json(found)
  local list = value.array {}
  for i, diagnostic in ipairs(found) do
    local entry = value.object {}
    for _, key in ipairs { "severity", "file", "line", "column", "message", "hint" } do
      if diagnostic[key] ~= nil then entry[#entry + 1], entry[key] = key, diagnostic[key] end
    end
    list[i] = entry
  end
  return terminal.clean_json(json.encode(list, 2))
end

local function count(found, severity)
  local n = 0
  for _, diagnostic in ipairs(found) do
    if diagnostic.severity == severity then n = n + 1 end
  end
  return n
end

local function plural(n, word)
  return ("%d %s%s"):format(n, word, n == 1 and "" or "s")
end

--- `orchlua check FILE...`.
---@param options { files: string[], format: string, config: string? }
---@return integer status
function M.main(options)
  local found = {}
  for _, target in ipairs(options.files) do check_target(target, options.config, found) end
  local wrong = count(found, "error")
  if options.format == "json" then
    stdout:write(as_json(found), "\n")
  else
    local paint = terminal.painter(terminal.is_terminal(1))
    diagnostics.show(found, stdout, paint)
    stdout:write(("%s, %s\n"):format(plural(wrong, "error"), plural(count(found, "warning"), "warning")))
  end
  return wrong > 0 and 2 or 0
end

return M
