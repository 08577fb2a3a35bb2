-- The live view on a terminal: above it scroll the lines of what happened, below
-- stand the phase, the progress, and the agents at work with how long they have
-- been. It is drawn a few times a second, and once for each line that scrolls.

local clock = require "orchlua.clock"
local core = require "orchlua.core"
local lines = require "orchlua.command.lines"
local terminal = require "orchlua.command.terminal"

local value = core.value

local M = {}

local REDRAW_SECONDS = 0.1
local BAR_WIDTH = 24
local AT_WORK_SHOWN = 8
local MOST_TAIL = 60

local SPINNER = { "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏" }

---@class orchlua.Live
local Live = {}
Live.__index = Live

local function bar(percent, paint)
  local full = math.floor(percent / 100 * BAR_WIDTH + 0.5)
  return paint("green", ("█"):rep(full)) .. paint("dim", ("░"):rep(BAR_WIDTH - full)) .. (" %3d %%"):format(math.floor(percent + 0.5))
end

local function by_start(a, b)
  if a.since ~= b.since then return a.since < b.since end
  return a.order < b.order
end

function Live:at_work()
  local list = {}
  for _, working in pairs(self.working) do list[#list + 1] = working end
  table.sort(list, by_start)
  return list
end

local function summary(self, working, now)
  local parts = { terminal.seconds(now - self.began) }
  if self.phase then table.insert(parts, 1, self.phase) end
  parts[#parts + 1] = ("%d answered"):format(self.answered)
  if self.failed > 0 then parts[#parts + 1] = ("%d failed"):format(self.failed) end
  if #working > 0 then parts[#parts + 1] = ("%d at work"):format(#working) end
  return table.concat(parts, " · ")
end

-- The end of an answer that is coming, as far as there is room.
function Live:tail_of(one, room)
  if not one.text or room < MOST_TAIL // 4 then return "" end
  return "  " .. self.paint("dim", terminal.ending(terminal.clean(one.text), math.min(room, MOST_TAIL)))
end

function Live:drawing(now, width)
  local working, drawn = self:at_work(), {}
  self.frame = self.frame % #SPINNER + 1
  drawn[1] = self.paint("cyan", SPINNER[self.frame]) .. " " .. terminal.shorten(summary(self, working, now), width - 3)
  if self.percent then drawn[#drawn + 1] = "  " .. bar(self.percent, self.paint) end
  for i = 1, math.min(#working, AT_WORK_SHOWN) do
    local one = working[i]
    local name = one.agent .. (one.branch and one.branch ~= one.agent and " [" .. one.branch .. "]" or "")
    if one.attempt > 1 then name = name .. (" (try %d)"):format(one.attempt) end
    local line = terminal.shorten(("%-28s %s"):format(name, terminal.seconds(now - one.since)), width - 5)
    drawn[#drawn + 1] = ("  %s %s%s"):format(self.paint("blue", "▸"), line, self:tail_of(one, width - 8 - terminal.width(line)))
  end
  if #working > AT_WORK_SHOWN then drawn[#drawn + 1] = ("    and %d more"):format(#working - AT_WORK_SHOWN) end
  return drawn
end

-- Takes the drawing away: the cursor is at the start of the line under it.
function Live:erase()
  if self.height > 0 then self.stream:write(("\27[%dA\27[J"):format(self.height)) end
  self.height = 0
end

function Live:draw()
  local now = self.now()
  local width = core.terminal.size(2) or 80
  self:erase()
  local drawn = self:drawing(now, width)
  self.stream:write(table.concat(drawn, "\n"), "\n")
  self.stream:flush()
  self.height, self.drawn_at = #drawn, now
end

local colours = { ["✗"] = "red", ["✓"] = "green", ["!"] = "yellow", ["§"] = "bold", ["▶"] = "bold", ["↻"] = "yellow", ["■"] = "red" }

function Live:scroll(text)
  self:erase()
  local mark = text:match(utf8.charpattern)
  self.stream:write(colours[mark] and self.paint(colours[mark], text) or text, "\n")
  if not self.closed then self:draw() end
end

-- Calls are shown below while they run, so their starts do not scroll.
local quiet = { ["completion:async"] = true, ["state:entity:update"] = true }

function Live:record(record)
  if record.type == "phase" then self.phase = terminal.clean(record.text) end
  if record.type == "reply" then
    if record.success then self.answered = self.answered + 1 else self.failed = self.failed + 1 end
  end
  local data = record.data
  local percent = lines.percent(data) or value.kind(data) == "object" and lines.percent(data.properties)
  if percent then self.percent = percent end
  local text = not quiet[record.type] and lines.text(record)
  if text then self:scroll(text) end
end

local function branch_label(call)
  local branch = call.run.branches and call.run.branches[call.request.branch]
  return branch and branch.label and terminal.clean(branch.label)
end

-- What becomes of a call: `more` is a retry's error, or a piece of an answer.
function Live:call(what, call, more)
  if what == "start" then
    self.order = self.order + 1
    self.working[call.request] = {
      agent = terminal.clean(call.request.agent_id), branch = branch_label(call), since = self.now(), attempt = 1, order = self.order,
    }
  elseif what == "end" then
    self.working[call.request] = nil
  elseif what == "piece" and self.working[call.request] then
    local one = self.working[call.request]
    one.text = ((one.text or "") .. more):sub(-4 * MOST_TAIL)
  elseif what == "retry" and self.working[call.request] then
    self.working[call.request].attempt, self.working[call.request].text = call.attempt + 1, nil
    self:scroll(("↻ %s  try %d failed: %s"):format(terminal.clean(call.request.agent_id), call.attempt, terminal.clean(more.message)))
  end
end

-- Redraws while the loop waits.
function Live:tick()
  self.due = self.clock:after(REDRAW_SECONDS, clock.TIMER, function()
    self:draw()
    self:tick()
  end)
end

--- A live view on standard error.
function M.new()
  local self = setmetatable({
    stream = io.stderr, paint = terminal.painter(true), working = {}, order = 0, answered = 0, failed = 0, height = 0, frame = 0,
    now = core.loop.clock, began = core.loop.clock(),
  }, Live)
  return {
    record = function(record) self:record(record) end,
    call = function(what, call, err) self:call(what, call, err) end,
    attach = function(runtime)
      self.clock = runtime.clock
      self:tick()
    end,
    stopping = function(name) self:scroll(("! stopping on SIG%s; once more to stop at once"):format(name)) end,
    close = function()
      self.closed = true
      if self.due then self.clock:cancel(self.due) end
      self:erase()
      self.stream:flush()
    end,
  }
end

return M
