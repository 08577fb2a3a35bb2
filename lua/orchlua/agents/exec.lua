-- Agents that are programs. The prompt goes to standard input (or, with
-- `stdin = "json"`, the whole request), what the request is about into
-- ORCHLUA_REQUEST, and standard output is the reply. The whole process group
-- ends with the call: `io.run` holds it in a variable that is closed.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local io = require "orchlua.io"
local request_text = require "orchlua.agents.request"

local M = {}

local KEPT_STDERR = 2000
local SHOWN_STDERR = 500

local function is_absolute(path) return path:sub(1, 1) == "/" end

local function working_folder(folder, cwd)
  if not cwd then return folder end
  if is_absolute(cwd) then return cwd end
  return (folder:gsub("/*$", "/")) .. cwd
end

local function environment(entry, request)
  local env = { ORCHLUA_REQUEST = request_text.context(request) }
  for name, text in pairs(entry.env or {}) do env[name] = text end
  return env
end

--- The end of standard error, for a message; empty when there is nothing.
---@param stderr string
function M.ending(stderr)
  local text = stderr:match "^%s*(.-)%s*$"
  if text == "" then return "" end
  local shown = io.last(text, SHOWN_STDERR)
  return ": " .. (#shown < #text and "…" or "") .. shown
end

local function failed(entry, outcome)
  local stderr = io.last(outcome.stderr, KEPT_STDERR)
  local how = outcome.signal and "was ended by SIG" .. outcome.signal or ("exited with status %d"):format(outcome.status)
  errors.raise("agent", ("`%s` %s%s"):format(io.command_text(entry.exec), how, M.ending(stderr)),
    { status = outcome.status, signal = outcome.signal, stderr = stderr, retryable = false })
end

--- Makes the function that asks this agent: it waits inside a coroutine of the
--- loop and returns the reply's text, or raises an error object.
---@param entry orchlua.Config.Entry
---@param loop any
---@param folder string  the configuration's
---@return fun(request: orchlua.Request): string
function M.new(entry, loop, folder)
  local cwd = working_folder(folder, entry.cwd)
  local input = entry.stdin == "json" and request_text.json or request_text.prompt_text
  return function(request)
    local outcome, problem = io.run(loop, {
      args = entry.exec, cwd = cwd, env = environment(entry, request), stdin = input(request), limit = entry.max_reply, note = request
    })
    if not outcome then
      if problem.type ~= "exec" then error(problem, 0) end
      errors.raise("agent", problem.message, { retryable = false, cause = problem })
    end
    if outcome.status ~= 0 then failed(entry, outcome) end
    return (core.value.utf8(outcome.stdout):gsub("\r?\n$", ""))
  end
end

return M
