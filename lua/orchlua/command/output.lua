-- What goes to standard output: the run's result as text, one JSON object, or
-- (written as things happen) one JSON object a line.

local budget = require "orchlua.run.budget"
local core = require "orchlua.core"
local failure = require "orchlua.run.failure"
local keys = require "orchlua.keys"
local spending = require "orchlua.command.spending"
local stdout = require "orchlua.command.stdout"
local terminal = require "orchlua.command.terminal"

local json, value = core.json, core.value
local null = value.null

local M = {}

-- Objects and arrays that are shown of a value inside itself; ways through it may be without number.
local MOST_SHOWN = 100000
local TOO_LARGE = "(too large)"

-- A copy of a value in which a value inside itself reads "(cycle)"; `above` has those that it
-- lies in, and how many may be copied still.
local function without_cycles(v, above)
  if type(v) ~= "table" then return v end
  if above[v] then return "(cycle)" end
  if above.left == 0 then return TOO_LARGE end
  above[v], above.left = true, above.left - 1
  local copy = {}
  if value.kind(v) == "array" then
    for i, item in ipairs(v) do copy[i] = without_cycles(item, above) end
    value.array(copy)
  else
    for i, key in ipairs(v) do copy[i], copy[key] = key, without_cycles(v[key], above) end
    value.object(copy)
  end
  above[v] = nil
  return copy
end

-- JSON of a value, with as much of it as can be shown; nil when it is too large, or nested too deep.
local function text_of(v, indent)
  local text, problem = json.encode(v, indent)
  if problem == "a value inside itself" then text = json.encode(without_cycles(v, { left = MOST_SHOWN }), indent) end
  return text and terminal.clean_json(text)
end

--- JSON of a value; one inside itself reads "(cycle)" there, and one that cannot be shown "(too large)".
local function encoded(v, indent) return text_of(v, indent) or json.encode(TOO_LARGE) end

--- JSON of an object; where that is too large, what is too large in it reads so.
local function encoded_fields(given, indent)
  local text = text_of(given, indent)
  if text then return text end
  local shown = value.object {}
  for i, name in ipairs(given) do shown[i], shown[name] = name, text_of(given[name], indent) and given[name] or TOO_LARGE end
  return encoded(shown, indent)
end

M.encoded = encoded

local function nothing_if_nil(v)
  if v == nil then return null end
  return v
end

--- An object of `{key, value}` pairs, nil as null.
local function object(pairs_list)
  local result = value.object {}
  for _, pair in ipairs(pairs_list) do
    result[#result + 1] = pair[1]
    result[pair[1]] = nothing_if_nil(pair[2])
  end
  return result
end

M.object = object

local function as_json(run, program)
  return object {
    { "run_id", run.id }, { "program", program.title or program.name }, { "status", run.status == "running" and "parked" or run.status },
    { "result", run.result }, { "state", run:names() }, { "error", run.error and failure.to_value(run.error) },
    { "usage", spending.value(budget.of_run(run)) }, { "duration", run.duration },
  }
end

local function as_text(result)
  if result == nil or result == null then return nil end
  if value.kind(result) == "string" then return result end
  if getmetatable(result) == value.Reply or type(result) ~= "table" then return value.text(result) end
  return encoded(result, 2)
end

--- Writes the result of a run that has ended, or is parked.
---@param options { output: string }
---@param run orchlua.Run
---@param program orchlua.Program
function M.result(options, run, program)
  if options.output == "json" then
    stdout:write(encoded_fields(as_json(run, program), 2), "\n")
  elseif options.output == "text" and run.status == "completed" then
    local text = as_text(run.result)
    if text and core.terminal.is_terminal(1) then text = terminal.clean_lines(text) end
    if text then stdout:write(text, text:sub(-1) == "\n" and "" or "\n") end
  end
  stdout:flush()
end

local first_fields = { "seq", "time", "type" }

--- One record as a line of `--output events`.
---@param record table
---@return string
function M.line(record)
  local line = value.object {}
  for _, name in ipairs(first_fields) do
    if record[name] ~= nil then line[#line + 1], line[name] = name, record[name] end
  end
  for _, name in ipairs(keys.sorted(record)) do
    if line[name] == nil and name ~= "again" then
      line[#line + 1], line[name] = name, name == "usage" and spending.value(record.usage) or record[name]
    end
  end
  return encoded_fields(line)
end

return M
