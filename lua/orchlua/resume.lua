-- Bringing a run of the store back: takes its lease, compiles its program from the text
-- it was started with, and restores its state; the row `resume` does the rest.

local compiler = require "orchlua.compiler"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local journal = require "orchlua.journal"
local revive = require "orchlua.run.revive"
local snapshot = require "orchlua.run.snapshot"
local takeover = require "orchlua.takeover"
local works = require "orchlua.run.work"

local value = core.value

local M = {}

local ENDED = { completed = true, cancelled = true }

local function compile(runtime, found)
  local program, wrong = compiler.compile(found.source, {
    name = found.file, first_line = found.first_line, indent = found.indent, config = runtime.config, edited = found.edited == 1,
  })
  if program then
    program.title = found.title -- a literate file may have given it
    return program
  end
  return nil, errors.new("run", ("the program of the run `%s` does not compile here: line %d: %s"):format(found.id, wrong[1].line, wrong[1].message),
    { hint = "the run was started with another configuration or release" })
end

local function given(options, name)
  local option = options[name]
  return option ~= value.null and option or nil
end

-- The front matter that a run is under; an older release kept one.
local function fronts_of(options)
  return given(options, "fronts") or { given(options, "front") }
end

local function new_run(runtime, found, program)
  return runtime:new_run(found.id, program, value.object {}, {
    seed = 0, folder = given(found.options, "folder"), fronts = fronts_of(found.options), max_steps = given(found.options, "max_steps"),
    max_memory = given(found.options, "max_memory"),
    parent = found.parent, depth = given(found.options, "depth"),
  })
end

-- The run as it was when it was last at rest, in `run` or in a new one, and its lease.
local function restored(runtime, found, program, run)
  local state, rows = runtime.store:load(found)
  if not state then return nil, rows end
  run = run or new_run(runtime, found, program)
  local err = snapshot.restore(run, state, rows)
  if err then return nil, err end
  local last = rows[#rows]
  return run, { number = found.number, fence = found.fence, last_row = found.last, noted_row = 0, marks = state.marks,
    row_seq = last and last.seq or state.seq, said = found.status, due = found.due or false,
    rows_bytes = 0, snapshot_bytes = state.body and #state.body or 0 }
end

--- A run as it stands, for looking at: nobody drives it, and it asks nothing of anyone.
---@param runtime orchlua.Runtime
---@param found table   as `find` gives it
---@return orchlua.Run? run, orchlua.Error? err
function M.look(runtime, found)
  local program, err = compile(runtime, found)
  if not program then return nil, err end
  local run, problem = restored(runtime, found, program)
  if run then return run end
  return nil, problem
end

-- An edited program takes over: it is kept with a snapshot, so that no row of the old
-- one is ever taken by the new.
local function hand_over(runtime, run, program)
  local err = takeover.apply(run, program)
  if err then return err end
  runtime.journal:take_over(run)
end

local function go_on(runtime, run, found, limits)
  runtime:adopt(run)
  for _, record in ipairs(run.work.outbox) do record.again = true end
  run:deliver { kind = "resume", outage = math.max(0, runtime.clock:now() - found.last_driven), crashed = found.crashed,
    budget = limits }
end

--- Brings a run back that this process drives and had put away.
---@param runtime orchlua.Runtime
---@param id string
---@param shell? orchlua.Run   the run itself, where somebody still holds it
---@return orchlua.Run? run   nil when it has ended, or is another's
---@return orchlua.Error? err
function M.wake(runtime, id, shell)
  local found, err = runtime.store:find(id)
  if not found then return nil, err end
  if found.status ~= "running" or found.driver ~= runtime.store.driver then return nil end
  local program = shell and shell.program
  if not program then program, err = compile(runtime, found) end
  if not program then return nil, err end
  local run, lease = restored(runtime, found, program, shell)
  if not run then return nil, lease end
  run.work.outbox = {}
  works.put_down(run)
  journal.keep(run, lease)
  runtime:adopt(run)
  runtime.alive = runtime.alive - 1
  revive.arm(run)
  return run
end

local function has_ended(found)
  return errors.new("run", ("the run `%s` has ended: %s"):format(found.id, found.status))
end

-- The run behind a lease that was just taken; until then another process may have ended it.
local function taken_up(runtime, found)
  if ENDED[found.status] then return nil, has_ended(found) end
  local program, err = compile(runtime, found)
  if not program then return nil, err end
  return restored(runtime, found, program)
end

--- Goes on with a run.
---@param runtime orchlua.Runtime   one with a journal
---@param id string
---@param options { program: orchlua.Program?, budget: orchlua.Limits? }   a corrected program that takes over; what the run may spend now
---@return orchlua.Run? run, orchlua.Error? err
function M.run(runtime, id, options)
  local found, err = runtime.store:find(id)
  if found and ENDED[found.status] then err = has_ended(found) end
  if err then return nil, err end
  found, err = runtime.store:take(id)
  if not found then return nil, err end
  local run, lease = taken_up(runtime, found)
  if run then journal.keep(run, lease) end
  local refused = not run and lease or options.program and hand_over(runtime, run, options.program)
  if refused then
    runtime.store:release(found)
    return nil, refused
  end
  go_on(runtime, run, found, options.budget)
  return run
end

return M
