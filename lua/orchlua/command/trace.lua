-- `orchlua trace RUN`: the time-line of a run, from the rows of its journal. Each step
-- has its branch, how long it took, tries and tokens, and a bar that says when.

local core = require "orchlua.core"
local drive = require "orchlua.command.drive"
local output = require "orchlua.command.output"
local runs = require "orchlua.command.runs"
local spending = require "orchlua.command.spending"
local stdout = require "orchlua.command.stdout"
local store = require "orchlua.command.store"
local terminal = require "orchlua.command.terminal"

local json, value = core.json, core.value

local M = {}

local MOST_ROWS = 10000
local BAR_WIDTH = 20

---@class orchlua.Step
---@field kind string       request, ask, wait, signal, event, start, resume, cancel
---@field name string
---@field from number       seconds since the epoch
---@field to? number        nil while it is in flight
---@field attempts? integer
---@field tokens? integer  that servers told of
---@field branch? string
---@field line? integer
---@field failed? string    its error's message

local readers = {}

function readers.start(row) return { kind = "start", name = "started", from = row.time, to = row.time } end

function readers.request(row, open)
  local step = { kind = "request", name = row.name, from = row.time, branch = row.branch, line = row.line, number = row.request, attempts = 1 }
  open[row.request] = step
  return step
end

-- Tokens that a try took, added to those of the tries before.
local function add_tokens(step, usage)
  local took = usage and json.decode(usage)
  if value.kind(took) == "object" then step.tokens = (step.tokens or 0) + took.input + took.output end
end

function readers.reply(row, open)
  local step = open[row.request]
  if not step then return end
  step.to, step.attempts = row.time, row.attempt
  add_tokens(step, row.usage)
  if row.error then step.failed = (json.decode(row.error) or {}).message or row.error end
  open[row.request] = nil
end

readers["try"] = function(row, open)
  local step = open[row.request]
  if not step then return end
  step.attempts = row.attempt
  add_tokens(step, row.usage)
end

-- A question that an agent asked another inside its own call.
function readers.ask(row)
  return { kind = "ask", name = "└ " .. row.name, from = row.time, to = row.time, number = row.request }
end

function readers.asked(row, open)
  if open[row.request] then add_tokens(open[row.request], row.usage) end
end

function readers.timer(row)
  local seconds = row.duration or 0
  return { kind = "wait", name = "wait " .. terminal.seconds(seconds), from = row.time - seconds, to = row.time, branch = row.branch }
end

function readers.signal(row) return { kind = "signal", name = "signal " .. row.name, from = row.time, to = row.time } end

function readers.cancel(row) return { kind = "cancel", name = "cancelled" .. (row.name and ": " .. row.name or ""), from = row.time, to = row.time } end

function readers.resume(row)
  local body = json.decode(row.body)
  return { kind = "resume", name = ("resumed after %s"):format(terminal.seconds(body.outage)), from = row.time, to = row.time }
end

function readers.event(row)
  return { kind = "event", name = row.name, from = row.time, to = row.time, branch = row.branch, body = row.body }
end

--- The steps of a run, in the order in which they began.
---@param rows table[]   of the journal
---@return orchlua.Step[]
function M.steps(rows)
  local steps, open = {}, {}
  for _, row in ipairs(rows) do
    local step = readers[row.kind](row, open)
    if step then steps[#steps + 1] = step end
  end
  for i, step in ipairs(steps) do step.order = i end
  table.sort(steps, function(a, b)
    if a.from ~= b.from then return a.from < b.from end
    return a.order < b.order
  end)
  return steps
end

-- As text ------------------------------------------------------------------------------

local function bar(step, first, span, paint)
  local last = step.to or first + span
  local from = math.floor((step.from - first) / span * (BAR_WIDTH - 1) + 0.5)
  local to = math.max(from, math.floor((last - first) / span * (BAR_WIDTH - 1) + 0.5))
  local full = paint(step.failed and "red" or not step.to and "yellow" or "green", ("█"):rep(to - from + 1))
  return paint("dim", ("·"):rep(from)) .. full .. paint("dim", ("·"):rep(BAR_WIDTH - 1 - to))
end

-- What was in flight when its run ended was not waited for.
local function took_text(step, ended)
  if step.to then return terminal.seconds(step.to - step.from) end
  return ended and "cut off" or "in flight"
end

---@class orchlua.TimeLine
---@field began number     seconds since the epoch, from which steps are counted
---@field first number     when the first of the steps that are shown began
---@field span number      seconds from there to the end
---@field ended boolean    nothing is in flight any more
---@field earlier integer  rows of the journal that are left out

local function time_line(found, steps, earlier)
  local first, last = math.huge, -math.huge
  for _, step in ipairs(steps) do first, last = math.min(first, step.from), math.max(last, step.to or found.changed) end
  local began = earlier > 0 and found.created or first
  return { began = began, first = first, span = math.max(last - first, 1e-6), ended = found.status ~= "running", earlier = earlier }
end

local function event_text(step)
  if step.name == "phase" then return "§ " .. (json.decode(step.body or '""') or step.body) end
  return ("· %s %s"):format(step.name, step.body or "")
end

local function step_line(step, along, paint)
  local at = ("%8s"):format(terminal.seconds(step.from - along.began))
  if step.kind == "event" then return at .. "  " .. paint("dim", terminal.shorten(terminal.clean(event_text(step)), 69)) end
  local tries = (step.attempts or 1) > 1 and ("×%d"):format(step.attempts) or ""
  local name = step.branch and ("%s [%s]"):format(step.name, step.branch) or step.name
  return ("%s  %s %9s %3s %5s %s"):format(at, terminal.padded(terminal.clean(name), 27), took_text(step, along.ended), tries,
    step.tokens and spending.tokens(step.tokens) or "", bar(step, along.first, along.span, paint))
end

local function show_head(found, steps, along, holder, paint)
  local how = ("%s, %s"):format(runs.status(found, holder), #steps > 0 and terminal.seconds(along.first - along.began + along.span) or "no steps")
  local id = terminal.shorten(terminal.clean(found.id), 40)
  local title = terminal.shorten(terminal.clean(found.title), 76 - terminal.width(id) - #how)
  stdout:write(("%s  %s  %s\n\n"):format(paint("bold", id), title, how))
  stdout:write(("%8s  %-27s %9s %3s %5s\n"):format("at", "step", "took", "", "tokens"):sub(1, 80), "\n")
  if along.earlier > 0 then stdout:write(("%8s  %d rows of the journal before these are left out\n"):format("…", along.earlier)) end
end

-- The tokens that were charged, where the steps do not tell of them all.
local function charged(found, steps, along)
  local usage, told = spending.of_row(found), 0
  for _, step in ipairs(steps) do told = told + (step.tokens or 0) end
  return along.earlier == 0 and usage and usage.tokens > told and usage.tokens or nil
end

local function show_text(found, steps, earlier, holder)
  local paint, along = terminal.painter(terminal.is_terminal(1)), time_line(found, steps, earlier)
  show_head(found, steps, along, holder, paint)
  for _, step in ipairs(steps) do
    stdout:write(step_line(step, along, paint), "\n")
    if step.failed then stdout:write((" "):rep(10), paint("red", terminal.shorten("✗ " .. terminal.clean(step.failed), 69)), "\n") end
  end
  local tokens = charged(found, steps, along)
  if tokens then stdout:write(("\n%s tokens were charged: a try that no server told of counts at its most\n"):format(spending.tokens(tokens))) end
end

local function as_json(found, steps, holder)
  local list = value.array {}
  for i, step in ipairs(steps) do
    list[i] = output.object {
      { "kind", step.kind }, { "name", step.name }, { "started", step.from }, { "duration", step.to and step.to - step.from }, { "attempts", step.attempts },
      { "tokens", step.tokens }, { "branch", step.branch }, { "line", step.line }, { "error", step.failed },
      { "data", step.body and (json.decode(step.body) or step.body) },
    }
  end
  return output.object { { "run_id", found.id }, { "program", found.title }, { "status", runs.status(found, holder) }, { "steps", list },
    { "usage", spending.of_row(found) } }
end

--- `orchlua trace RUN`.
---@param options table   as `arguments` reads them
---@return integer status
function M.main(options)
  local runtime, err = store.existing(options)
  if not runtime then return drive.complain(err) end
  local found, problem = runtime.store:find(options.run)
  local rows
  if found then rows, problem = runtime.store:history(found, MOST_ROWS) end
  local holder = found and runtime.store:holder(found)
  runtime:close()
  if not rows then return drive.complain(problem) end
  local steps = M.steps(rows)
  if options.output == "json" then
    stdout:write(output.encoded(as_json(found, steps, holder), 2), "\n")
  else
    show_text(found, steps, rows[1] and rows[1].seq - 1 or 0, holder)
  end
  return 0
end

return M
