-- Shows errors and warnings to a person: `file:line:column: message`, the source
-- line, a caret, and a hint where there is one.

local terminal = require "orchlua.command.terminal"

local M = {}

local function place(diagnostic)
  if not diagnostic.line then return diagnostic.file and diagnostic.file .. ": " or "" end
  return ("%s:%d:%d: "):format(diagnostic.file or "program", diagnostic.line, diagnostic.column or 1)
end

-- Says who failed, when the message does not; a pattern's own is about what it was given.
local function with_agent(message, agent)
  if not agent or agent:find "^pattern:" or message:find("`" .. agent .. "`", 1, true) then return message end
  return ("agent `%s`: %s"):format(agent, message)
end

--- One error or warning as text, without a line end behind it.
---@param diagnostic table   `{message, line, column, file, excerpt, hint, severity}`
---@param paint fun(colour: string, text: string): string
---@return string
function M.text(diagnostic, paint)
  local warning = diagnostic.severity == "warning"
  local label = warning and paint("yellow", "warning: ") or paint("red", "error: ")
  local message = terminal.clean_lines(with_agent(diagnostic.message, diagnostic.agent_id)):gsub("\n", "\n    ")
  local lines = { paint("bold", terminal.clean(place(diagnostic))) .. label .. message }
  if diagnostic.excerpt then
    for line in diagnostic.excerpt:gmatch "[^\n]+" do lines[#lines + 1] = "  " .. terminal.clean((line:gsub("%c", " "))) end
  end
  if diagnostic.hint then lines[#lines + 1] = "  " .. paint("cyan", "hint: ") .. terminal.clean(diagnostic.hint) end
  return table.concat(lines, "\n")
end

--- Writes a list of them to a stream.
function M.show(list, stream, paint)
  for _, diagnostic in ipairs(list) do stream:write(M.text(diagnostic, paint), "\n") end
end

--- A painter for standard error.
function M.painter()
  return terminal.painter(terminal.is_terminal(2))
end

return M
