-- Breaks a driver (`spec/support/driver.lua`) in chosen ways, resumes it until it is
-- done, and says what was lost, repeated or changed on the way.

local core = require "orchlua.core"

local M = {}

local json = core.json
local lua = arg and arg[-1] or "lua5.4"
for i = -1, -10, -1 do
  if not arg[i] then break end
  lua = arg[i]
end

--- The interpreter that runs the specs, for those that start others.
M.lua = lua

local function command_output(text)
  local pipe = io.popen(text)
  local out = pipe:read "a"
  pipe:close()
  return out
end

--- A folder for one trial, in memory where there is such a place: what a process leaves
--- behind when it is killed is the same there, and hundreds of trials take less long.
function M.folder() return command_output("mktemp -d -p /dev/shm 2>/dev/null || mktemp -d"):match "%S+" end

function M.remove(folder) os.execute("rm -rf " .. folder) end

--- The shared object that makes writes fail, compiled once.
function M.faults()
  if not M.shim then
    local folder = M.folder()
    M.shim = folder .. "/faults.so"
    assert(os.execute(("gcc -shared -fPIC -O1 spec/support/faults.c -o %s -ldl"):format(M.shim)))
  end
  return M.shim
end

--- The program that is driven.
M.program = "spec/support/broken.dsl"

--- Drives the run of a folder: `mode` is start or resume. `how`: `kill_after` seconds;
--- `statement`, the HERE() it dies at; `request`, the call of an agent it dies in; `fault`, `at`: what happens at which write; `snapshots`: one is
--- taken at every rest.
---@return string status, string text   `killed` when it died
function M.drive(folder, mode, how)
  how = how or {}
  local environment = ""
  if how.fault then
    environment = ("env ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=%s FAULT=%s FAULT_AT=%d FAULT_PATH=%s/run.db "):format(M.faults(), how.fault, how.at, folder)
  end
  if how.snapshots then environment = "env SNAPSHOTS=1 " .. environment end
  local limit = how.kill_after and ("timeout -s KILL %.4f "):format(how.kill_after) or "timeout -s KILL 60 "
  local text = command_output(("%s%s%s spec/support/driver.lua %s/run.db %s/log %s %s %s 2>%s/err; echo status=$?"):format(
    limit, environment, lua, folder, folder, mode, M.program, how.statement and "here " .. how.statement or how.request and "asked " .. how.request or "", folder))
  local status = tonumber(text:match "status=(%d+)%s*$")
  if status == 137 then return "killed", text end
  return text:match "^(%S+)", text
end

--- Resumes until the run has ended; `how(n)` says how the n-th resume is broken.
---@return string text   what the last one printed
function M.finish(folder, how)
  for n = 1, 60 do
    local status, text = M.drive(folder, "resume", how and how(n))
    if status == "none" and text:find "there is no run" then status, text = M.drive(folder, "start", how and how(n)) end
    if status == "completed" then return text end
    if status == "none" and text:find "has ended" then return text end
    if status ~= "killed" and status ~= "stopped" then
      local err = io.open(folder .. "/err"):read "a"
      error(("the resume gave `%s` %s"):format(text, err), 0)
    end
  end
  error("the run never ended", 0)
end

--- Runs `orchlua ARGUMENTS --store run.db` in a folder; it dies at a write to its store.
---@param at integer
---@return boolean killed   false when it came to its end before
function M.killed(folder, arguments, at)
  local said = command_output(("cd %s && env ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=%s FAULT=kill FAULT_AT=%d FAULT_PATH=run.db timeout -s KILL 20 %s %s --store run.db >/dev/null 2>&1; echo status=$?"):format(
    folder, M.faults(), at, require("spec.support.command").path, arguments))
  return said:match "status=(%d+)" == "137"
end

-- What is wrong ------------------------------------------------------------------------------

local function lines_of(path)
  local list, file = {}, io.open(path)
  if not file then return list end
  for line in file:lines() do list[#list + 1] = json.decode(line) end
  file:close()
  return list
end

--- Requests that went out: the same key is the same request, whoever sends it again.
---@param tries integer     how often a request may have been sent
---@param problems string[]
function M.check_log(folder, tries, problems)
  local prompts, counts, attempts = {}, {}, {}
  for _, asked in ipairs(lines_of(folder .. "/log")) do
    local known = prompts[asked.key]
    if known and known ~= asked.prompt then problems[#problems + 1] = ("%s was asked `%s`, then `%s`"):format(asked.key, known, asked.prompt) end
    prompts[asked.key] = asked.prompt
    counts[asked.key] = (counts[asked.key] or 0) + 1
    if attempts[asked.key] and asked.attempt < attempts[asked.key] then
      problems[#problems + 1] = ("%s went back from try %d to %d"):format(asked.key, attempts[asked.key], asked.attempt)
    end
    attempts[asked.key] = asked.attempt
  end
  for key, count in pairs(counts) do
    local fickle = prompts[key]:find "^try"
    if count > tries + (fickle and 3 or 0) then problems[#problems + 1] = ("%s was asked %d times in %d drives"):format(key, count, tries) end
  end
end

-- What the store says, each line under the name of its query; one process for all.
local QUERIES = {
  "SELECT 'reply', request, count(*) FROM journal WHERE kind = 'reply' GROUP BY request HAVING count(*) > 1",
  "SELECT 'request', request, count(*) FROM journal WHERE kind = 'request' GROUP BY request HAVING count(*) > 1",
  "SELECT 'gaps' WHERE (SELECT count(*) <> max(seq) OR count(*) <> count(DISTINCT seq) FROM journal)",
  "SELECT 'integrity', * FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
  "SELECT 'entities', group_concat(id || properties) FROM (SELECT id, properties FROM entity ORDER BY number)",
}

local ENTITIES = 'entities|m0{"i":0},all{"last":3},m1{"i":1},m2{"i":2},m3{"i":3},end{"total":4}'

local function check_store(folder, problems)
  local found = false
  for line in command_output(("sqlite3 %s/run.db %q"):format(folder, table.concat(QUERIES, ";"))):gmatch "[^\n]+" do
    if line == ENTITIES then found = true else problems[#problems + 1] = "the store has " .. line end
  end
  if not found then problems[#problems + 1] = "the entities are not what they should be" end
end

local function check_result(text, problems)
  local result = text:match "^completed\t({.*})\t"
  if not result then return end
  local value = json.decode(result)
  local expected = { length = 9, same = 9, total = 4, last = 3, made = 5 }
  for name, n in pairs(expected) do
    if value[name] ~= n then problems[#problems + 1] = ("%s is %s, not %d"):format(name, tostring(value[name]), n) end
  end
end

--- Everything that is wrong with a run that has ended after `drives` drives; empty when all is well.
---@return string[]
function M.problems(folder, text, drives)
  local problems = {}
  check_result(text, problems)
  M.check_log(folder, drives, problems)
  check_store(folder, problems)
  return problems
end

return M
