-- An edited program takes over a run: the main branch's frame is carried over to the
-- place where the run stands, and the run is left as one that failed there, so that a
-- resume enters that statement anew.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local operators = require "orchlua.run.operators"
local place = require "orchlua.dsl.takeover"
local in_flight = require "orchlua.run.in_flight"

local null = core.value.null

local M = {}

local function refused(message, hint)
  return errors.new("usage", "the edited program cannot take over: " .. message, { hint = hint })
end

-- The frame of the new program: what the names of the old one hold, and what loops and
-- blocks around the place hold.
local function carried_over(frame, unit, program, held)
  local result = { 0, nil }
  for _, key in ipairs(unit.names) do result[key] = null end
  for _, name in ipairs(program.names) do
    if frame[name] ~= nil then result[name] = frame[name] end
  end
  for key, value in pairs(held) do result[key] = value end
  return result
end

-- Requests that the main branch waits for are asked anew by the statement itself; the
-- others are still to be answered.
local function forget_awaited(run)
  for _, request in ipairs(in_flight.list(run)) do
    request.site = 1
    if request.awaited then in_flight.take(run, request.number) end
  end
end

--- Makes a run one of another program. It is at rest, and brought back from its store.
---@param run orchlua.Run
---@param program orchlua.Program
---@return orchlua.Error? err   what does not match
function M.apply(run, program)
  local main = run.main
  for _, branch in pairs(run.branches) do
    if branch ~= main then return refused("branches of a PARALLEL are alive", "let them end, or resume with the program as it was") end
  end
  if main.failed_children then return refused("branches of a PARALLEL failed", "resume with the program as it was") end
  if run.main_ended and not run.failing then return refused("the program has come to its end") end
  local entry = main.entry or run.program:entry_of(main.site)
  local found, differs = place.place(run.program, program, entry.pos, main.frame)
  if not found then return refused(differs, "only the statement where the run stands, and what follows, may be changed") end
  program:link(operators)
  if main.wait then run:forget_wait(main) end
  forget_awaited(run)
  main.frame = carried_over(main.frame, program.units[1], program, found.held)
  main.unit, main.entry, main.site, main.failure, main.failed_request = program.units[1], { pos = found.pos, turn = entry.turn }, 1, nil, nil
  run.program, run.status, run.main_ended = program, "failed", true
  run.failing = run.failing or errors.new("stopped", "another program takes over")
  run.error = run.failing
end

return M
