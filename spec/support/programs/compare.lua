-- Runs a random program compiled and interpreted, and says how they differ.

local agents = require "spec.support.programs.agents"
local core = require "orchlua.core"
local interpreter = require "spec.support.interpreter"
local run = require "spec.support.run"

local M = {}

-- What an error says in words is the product's own matter, and when an entity was made.
local function comparable(text)
  return (text:gsub('"message":"[^"]*"', '"message":"…"'):gsub(',"created_at":[%d.]+,"updated_at":[%d.]+', ""))
end

local function json_of(v, encode)
  if v == nil then return "nothing" end
  local ok, text = pcall(encode, v)
  return ok and text and comparable(text) or "no JSON"
end

--- What came of a run of the product, as texts by name.
function M.of_run(finished)
  local seen = { status = finished.status, result = json_of(finished.result, core.json.encode) }
  if finished.error then seen.error = ("%s at line %s"):format(finished.error.type, finished.error.line) end
  local state = finished:names()
  for _, name in ipairs(state) do seen["state " .. name] = json_of(state[name], core.json.encode) end
  return seen
end

--- What came of the interpreter, the same way.
function M.of_interpreter(finished)
  local seen = { status = finished.status, result = json_of(finished.result, interpreter.json) }
  if finished.error then seen.error = ("%s at line %s"):format(finished.error.type, finished.error.line) end
  for name, held in pairs(finished.state) do seen["state " .. name] = json_of(held, interpreter.json) end
  return seen
end

--- How two outcomes differ, one line for each difference.
function M.differences(compiled, interpreted)
  local names, lines = {}, {}
  for name in pairs(compiled) do names[name] = true end
  for name in pairs(interpreted) do names[name] = true end
  for name in pairs(names) do
    if compiled[name] ~= interpreted[name] then
      lines[#lines + 1] = ("%s: compiled %s, interpreted %s"):format(name, tostring(compiled[name]), tostring(interpreted[name]))
    end
  end
  table.sort(lines)
  return lines
end

--- Runs a text both ways, in virtual time.
---@return string[] differences
function M.both(text)
  local compiled = run.run(text, { agents = agents.configured(true), run_id = "r", name = "random.dsl" })
  return M.differences(M.of_run(compiled), M.of_interpreter(interpreter.run(text, agents.plain()))), compiled
end

return M
