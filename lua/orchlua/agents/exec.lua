-- Agents that are programs. The prompt goes to standard input (or, with
-- `stdin = "json"`, the whole request; or, where `{prompt}` stands, into the arguments),
-- what the request is about into ORCHLUA_REQUEST, and standard output is the reply, or
-- the field of its JSON that the configuration names. The whole process group ends with
-- the call: `io.run` holds it in a variable that is closed.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local io = require "orchlua.io"
local request_text = require "orchlua.agents.request"

local json, value = core.json, core.value

local M = {}

local KEPT_STDERR = 2000
local SHOWN_STDERR = 500

-- What Linux allows one argument to have, in bytes.
local LONGEST_ARGUMENT = 128 * 1024 - 1

local function takes_prompt(args)
  for _, argument in ipairs(args) do
    if argument:find("{prompt}", 1, true) then return true end
  end
  return false
end

local function wrong_argument(prompt)
  if prompt:find("\0", 1, true) then return "has a zero byte in it" end
  if #prompt > LONGEST_ARGUMENT - 4096 then return ("is %d bytes long"):format(#prompt) end
end

-- The arguments with the prompt where it belongs.
local function with_prompt(args, prompt)
  local wrong = wrong_argument(prompt)
  if wrong then
    errors.raise("agent", "the prompt cannot be an argument: it " .. wrong, { retryable = false, hint = "leave `{prompt}` out, and it goes to standard input" })
  end
  local filled, text = {}, prompt:gsub("%%", "%%%%")
  for i, argument in ipairs(args) do filled[i] = argument:gsub("{prompt}", text) end
  return filled
end

local function environment(entry, request)
  local env = { ORCHLUA_REQUEST = request_text.context(request) }
  for _, name in ipairs(entry.inherit or {}) do env[name] = os.getenv(name) end
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

-- The field of a JSON answer that is the reply, `a.b.0`: its text, or its JSON.
local function field_of(path, text)
  local v = json.decode(text)
  for step in path:gmatch "[^.]+" do
    local kind = value.kind(v)
    if kind == "array" then
      v = v[(math.tointeger(tonumber(step)) or -1) + 1]
    elseif kind == "object" then
      v = v[step]
    else
      v = nil
    end
  end
  if v == nil or v == value.null then
    errors.raise("agent", ("the program's answer has no field `%s`: %s"):format(path, io.first(text, SHOWN_STDERR)), { retryable = false })
  end
  return type(v) == "string" and v or json.encode(v)
end

local function input_of(entry, in_arguments)
  if entry.stdin == "json" then return request_text.json end
  if in_arguments and not entry.stdin then return function() return "" end end
  return request_text.prompt_text
end

--- Makes the function that asks this agent: it waits inside a coroutine of the
--- loop and returns the reply's text, or raises an error object.
---@param entry orchlua.Config.Entry
---@param loop any
---@param folder string  the configuration's
---@return fun(request: orchlua.Asked): string
function M.new(entry, loop, folder)
  local cwd = entry.cwd and io.beside(folder, entry.cwd) or folder
  local in_arguments = takes_prompt(entry.exec)
  local input = input_of(entry, in_arguments)
  return function(request)
    local outcome, problem = io.run(loop, {
      args = in_arguments and with_prompt(entry.exec, request_text.prompt_text(request)) or entry.exec, cwd = cwd, env = environment(entry, request),
      alone = entry.inherit ~= nil, stdin = input(request), limit = entry.max_reply, note = request
    })
    if not outcome then
      if problem.type ~= "exec" then error(request_text.failure(problem, entry), 0) end
      errors.raise("agent", problem.message, { retryable = false, cause = problem })
    end
    if outcome.status ~= 0 then failed(entry, outcome) end
    local text = value.utf8(outcome.stdout):gsub("\r?\n$", "")
    return entry.reply and field_of(entry.reply, text) or text
  end
end

return M
