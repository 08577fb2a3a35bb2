-- Runs a random program compiled and interpreted, and says how they differ.

local broken = require "spec.support.broken"
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

-- Drives the program of a folder once; gives what the driver printed, or nil when it was killed.
local function drive(folder, seconds, request, snapshots)
  local pipe = io.popen(("%stimeout -s KILL %.3f %s spec/support/programs/driver.lua %s/run.db %s/random.dsl %s 2>%s/err; echo status=$?"):format(
    snapshots and "SNAPSHOTS=1 " or "", seconds, broken.lua, folder, folder, request or "", folder))
  local text = pipe:read "a"
  pipe:close()
  local code = tonumber(text:match "status=(%d+)%s*$")
  if code == 137 then return nil end
  if code ~= 0 then error(io.open(folder .. "/err"):read "a" .. "in " .. folder, 0) end
  return text
end

-- What is in flight in five crashes is given up, by design: so many are too many.
local MOST_KILLS = 4

-- How the n-th drive is broken: at a moment, in a call of an agent, or, in the end, not at all.
local function breakage(n, draw)
  if n > MOST_KILLS then return 60 end
  if draw(3) == 1 then return 0.02 + draw(60) / 1000 end
  return 60, draw(3)
end

--- Drives a program on a store in a folder, killed at random, until it is done.
---@return table seen, integer kills
function M.driven(folder, text, seed)
  local file = assert(io.open(folder .. "/random.dsl", "w"))
  file:write(text)
  file:close()
  local function draw(n)
    seed = seed * 6364136223846793005 + 1442695040888963407
    return 1 + (seed >> 33) % n
  end
  for n = 1, MOST_KILLS + 1 do
    local seconds, request = breakage(n, draw)
    local printed = drive(folder, seconds, request, seed % 2 == 0)
    if printed then
      local status, result = printed:match "^(%S+)\t([^\n]*)"
      return { status = status, result = comparable(result) }, n - 1
    end
  end
  error("the run never ended, in " .. folder, 0)
end

--- What the interpreter makes of a program, without its state.
function M.interpreted(text)
  local seen = M.of_interpreter(interpreter.run(text, agents.plain()))
  return { status = seen.status, result = seen.result }
end

return M
