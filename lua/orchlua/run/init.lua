-- One run: a state machine whose whole state is data. Branches stand at points
-- of the program, names are in frames, messages in mailboxes. Everything the run
-- learns from the world comes in through `deliver`, one row at a time; all it
-- wants done leaves through the outbox of its `work`. Between the two, `drive` takes a row and
-- resumes branches until none is ready: then the run is at rest, and what it learned
-- and asked for since the row is complete. Nothing here waits, or touches the world.
--
-- Here: how a run begins, its branches, its errors, what it tells. `drive` has the door and what
-- goes on behind it, `waits` and `readings` what their names say, `ending` the end.

local budget = require "orchlua.run.budget"
local core = require "orchlua.core"
local drive = require "orchlua.run.drive"
local ending = require "orchlua.run.ending"
local events = require "orchlua.run.events"
local failure = require "orchlua.run.failure"
local flow = require "orchlua.run.flow"
local limits = require "orchlua.run.limits"
local own = require "orchlua.run.own"
local parallel = require "orchlua.run.parallel"
local readings = require "orchlua.run.readings"
local revive = require "orchlua.run.revive"
local waits = require "orchlua.run.waits"

local value = core.value
local null = value.null

local M = {}

---@class orchlua.Branch    a strand of the run
---@field id integer
---@field unit table
---@field frame table       plain data: `[1]` the pc, `[2]` the frame around, names by key
---@field parent? orchlua.Branch
---@field home? table       the mailbox of what it sends, once it has been asked for: `mailbox.of`
---@field site? integer     where it waits
---@field wait? table       what it waits for
---@field children? orchlua.Children   of the PARALLEL that it waits for
---@field label? string

---@class orchlua.Setting   where a run is at home
---@field config table       as its front matter narrows it
---@field folder string
---@field fronts table[]     the front matter that it is under, the outermost first

---@class orchlua.Run
local Run = {}

-- Its methods lie in five files.
local PARTS = { Run, drive, waits, readings, ending }

-- What most runs never change: it is theirs by their kind, so that one that waits is small.
local UNCHANGED = {
  status = "running", request_count = 0, request_total = 0, wait_count = 0, seq = 0, read_at = 0, depth = 0, path = false,
  work = false, awake = false, spare_request = false, replay = false, flow_count = 0, signal_count = 0, budgets = false,
  ask_at_once = false,
}

-- What a run with a journal has besides: what it wants done and holds until the batch has been committed, or its commit is
-- over, the number of its last row, what its rows weigh that no snapshot has, and how it stands as its own row in the store says.
local UNCHANGED_IN_JOURNAL = {
  held = false, performing = false, row_seq = 0, rows_bytes = 0, snapshot_bytes = 0, said = "running", due = false,
}

--- What the runs of one runtime have in common, and their methods: what `new` is given.
---@param common { clock: orchlua.Clock, ceiling: orchlua.Ceiling, keeps: boolean, brief?: boolean, functions: table,
---  patterns?: table, listener?: any, event_handler: fun(name): table?,
---  interrupted?: fun(): boolean, on_row: fun(run), at_rest: fun(run, row), ask_at_once: (fun(run, request, agent): string?, number?, number?)? }
---  `keeps`: what a run learns is kept for a replay; `listener`: somebody wants records; `at_rest`: what a row led to is complete, and
---  in the outbox; `ask_at_once`: asks a function in Lua in the middle of that, and gives its answer, seconds and time, if it is here already
---@return table kind
function M.kind(common)
  -- `on_clock`: what is due on the clock, by the wait that it ends; `spare_rows`: replies that are through, to be written over.
  local index = { telling = common.listener ~= nil, recording = common.listener ~= nil or common.keeps, on_clock = {}, spare_rows = {}, spare_work = false }
  index.kind = index
  for name, field in pairs(UNCHANGED) do index[name] = field end
  for name, field in pairs(UNCHANGED_IN_JOURNAL) do index[name] = field end
  for name, field in pairs(own.shared) do index[name] = field end
  for _, part in ipairs(PARTS) do
    for name, method in pairs(part) do index[name] = method end
  end
  for name, field in pairs(common) do index[name] = field end
  return { __index = index }
end

--- Makes a run that has not started.
---@param kind table   as `kind` gives it
---@param options { id: string, program: orchlua.Program, inputs: table, seed: integer, setting: orchlua.Setting, limits: orchlua.Limits.Run }
---@return orchlua.Run
function M.new(kind, options)
  return setmetatable({
    id = options.id, program = options.program, inputs = options.inputs, random_state = options.seed, setting = options.setting,
    limits = options.limits, room = options.limits.memory, branches = {}, branch_count = -1, branch_total = 0, time = 0,
  }, kind)
end

--- Starts the main branch; the run is driven later.
function Run:start()
  self:take { kind = "start", time = self.clock:now() }
end

--- A new branch of a unit, not yet awake. It has eight fields, as long as nothing special becomes of it: with one more, Lua would
--- make room for sixteen.
---@param ordinal? integer   among the children of its PARALLEL
---@param label? string
---@return orchlua.Branch
function Run:branch(unit, parent, ordinal, label)
  self.branch_count, self.work.alone = self.branch_count + 1, false
  local frame = parent and { 0, parent.frame } or { 0 }
  local names = unit.names
  for i = 1, #names do frame[names[i]] = null end
  local branch = { id = self.branch_count, unit = unit, frame = frame, parent = parent, ordinal = ordinal, label = label, site = nil, wait = nil }
  self.branches[branch.id] = branch
  self.branch_total = self.branch_total + 1
  return branch
end

--- A branch is none any more.
function Run:drop(branch)
  if not self.branches[branch.id] then return end
  self.branches[branch.id] = nil
  self.branch_total = self.branch_total - 1
end

--- A branch that failed goes on.
Run.revive = revive.revive

-- Errors ----------------------------------------------------------------------------------

--- Says in an error where it happened, unless it is known.
---@param err orchlua.Error
---@param site integer
---@return orchlua.Error
function Run:located(err, site)
  if err.line then return err end
  err.line, err.column = self.program:position(site)
  local place = self.program.sites[site]
  err.file, err.excerpt = self.program.name, self.program.source:excerpt(place.pos, place.stop)
  return err
end

--- Raises an error in a branch at a site: its TRY takes it, or the branch has failed.
--- `asked` is the request that failed there, for a resume; `running`: it is the branch that runs.
function Run:throw(branch, err, site, asked, running)
  if branch.wait then self:forget_wait(branch) end
  branch.site = site
  self:located(err, site)
  if branch.unit == flow.UNIT then return self:wake(branch, flow.raised(err)) end
  local place = self.program.sites[site]
  if place.handler and not err.uncatchable and not (self.leaving and self.leaving.status == "failed") then
    branch.frame[1] = place.handler
    branch.failed_children = nil
    return (running and self.go_on or self.wake)(self, branch, failure.to_value(err))
  end
  branch.failure, branch.failed_request = err, asked
  if branch == self.main then
    self.failing = err
    self.main_ended = true
    self:drop(branch)
  else
    parallel.ended(self, branch)
  end
end

--- The program's names and their values now, in the order they are introduced.
---@return table object
function Run:names()
  local frame, state = self.main.frame, value.object {}
  for i, name in ipairs(self.program.names) do
    state[i] = name
    state[name] = frame[name]
  end
  return state
end

-- Telling the world ------------------------------------------------------------------------------

--- Refuses what the journal could not keep.
function Run:check_row(what, data)
  if limits.beyond_row(self.limits, data) then
    error(limits.reached("row", ("the data of `%s` is larger than %s"):format(what, limits.size(self.limits.row))), 0)
  end
end

--- Tells what happens: a record for whoever listens, and for the journal. On the hot
--- path callers look first whether somebody does (`telling`: a listener; `recording`:
--- a journal too), and make no fields when nobody does.
function Run:publish(kind, fields)
  self.seq = self.seq + 1
  if not self.recording or not fields then return end
  local record = fields
  if self.keeps and not record.request_id then self:check_row(kind, record.data) end
  if type(record.data) == "table" then record.data = value.copy(record.data) or "(nested too deep)" end
  record.seq, record.type, record.time, record.run_id = self.seq, kind, self.time, self.id
  local work = self.work
  if record.branch == nil and work.current then record.branch = work.current.label end
  work.outbox[#work.outbox + 1] = record
end

--- Has something done, when the row that led to it is complete: an effect in the outbox.
function Run:want(effect)
  local outbox = self.work.outbox
  outbox[#outbox + 1] = effect
end

function Run:emit(site, name, data)
  events.raise(self, self.work.current, site, name, data)
end

--- BUDGET: what the run may spend from now on, by its own program.
function Run:budget(_, given)
  budget.set(self, given)
end

function Run:track(_, data)
  self:publish("track", { data = value.copy(data, false, self) })
end

function Run:phase(text)
  self:publish("phase", { text = text })
end

return M
