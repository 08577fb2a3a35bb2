-- What a run is started with, checked; and what of it is kept, so that the run can go on as it began.

local budget = require "orchlua.run.budget"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local keys = require "orchlua.keys"
local lfs = require "lfs"
local nearest = require "orchlua.nearest"
local operators = require "orchlua.run.operators"

local value = core.value

local M = {}

-- Options of `Runtime:start`, and the type of what has one; others are judged by what they say.
local OPTIONS = { input = "table", run_id = "any", folder = "string", front = "table", fronts = "table", path = "any", parent = "string", depth = "number",
  budget = "any" }

local function wrong_option(name, given)
  local wanted = OPTIONS[name]
  if not wanted then
    local hint = nearest.hint(name, keys.sorted(OPTIONS))
    return ("rt:start has no option `%s`%s"):format(name, hint and "; " .. hint or "")
  end
  if wanted ~= "any" and type(given) ~= wanted then return ("rt:start takes a %s as `%s`, and got a %s"):format(wanted, name, type(given)) end
end

-- What is behind a program and the list of its warnings in `rt:start(assert(orchlua.compile(text)))` is no option: it has no name.
local function wrong_argument(program, options)
  if type(program) ~= "table" or not program.units then return "rt:start takes a program, as orchlua.compile gives it, and got " .. type(program) end
  if type(options) ~= "table" then return "rt:start takes a table of options, and got " .. type(options) end
  for name, given in pairs(options) do
    local wrong = type(name) == "string" and wrong_option(name, given)
    if wrong then return wrong end
  end
end

--- Raises, for the caller of `Runtime:start`, what is wrong with what it was given.
function M.check(program, options)
  local wrong = wrong_argument(program, options)
  if wrong then error(wrong, 3) end
end

local function undeclared(program, name)
  local names = {}
  for i, input in ipairs(program.inputs) do names[i] = input.name end
  return errors.new("input", ("the program declares no input `%s`"):format(name), {
    hint = nearest.hint(name, names) or names[1] and "it has " .. table.concat(names, ", ") or nil,
  })
end

--- The values of a program's inputs.
---@param program orchlua.Program
---@param given? table   plain values, by name
---@return table? inputs, orchlua.Error? err
function M.inputs(program, given)
  local inputs, declared = value.object {}, {}
  for _, input in ipairs(program.inputs) do declared[input.name] = input end
  for _, name in ipairs(keys.names(given or {})) do
    if not declared[name] then return nil, undeclared(program, name) end
    local converted, message = value.from_lua(given[name])
    if converted == nil then return nil, errors.new("input", ("input `%s` is no value: %s"):format(name, message)) end
    operators.set_field(inputs, name, converted)
  end
  for _, input in ipairs(program.inputs) do
    if input.required and inputs[input.name] == nil then
      return nil, errors.new("input", ("the program needs the input `%s`"):format(input.name), { hint = ("--input %s=…"):format(input.name) })
    end
  end
  return inputs
end

local function absolute(path)
  if not path or path:sub(1, 1) == "/" then return path end
  return path == "." and lfs.currentdir() or lfs.currentdir() .. "/" .. path
end

--- What is kept in the store.
---@param config table   the configuration
---@param options table  what the run is started with
---@return table object
function M.kept(config, options)
  local kept = value.object {}
  for _, pair in ipairs {
    { "folder", absolute(options.folder) }, { "config", absolute(config.file) }, { "max_steps", options.max_steps },
    { "max_memory", options.max_memory }, { "fronts", options.fronts[1] and options.fronts },
    { "depth", options.depth },
  } do
    if pair[2] ~= nil then kept[#kept + 1], kept[pair[1]] = pair[1], assert(value.from_lua(pair[2])) end
  end
  return kept
end

--- An id is shown, typed and sent as a header: what cannot be is refused.
---@return orchlua.Error?
function M.wrong_id(id)
  if id == nil or type(id) == "string" and id ~= "" and id == value.utf8(id) and not id:find "^%-" and not id:find "%c" then return nil end
  return errors.new("input", "a run's id is text without control characters that does not begin with `-`")
end

--- What a run may spend, as it is given from outside.
---@return table? budget, orchlua.Error? err   neither when none is given
function M.budget(given)
  if given == nil then return nil end
  local checked, message, hint = budget.limits(value.from_lua(given))
  if checked then return checked end
  return nil, errors.new("input", message, { hint = hint })
end

--- The front matter that a run is under, the outermost first.
---@return table[]
function M.fronts(program, options)
  local fronts = table.move(options.fronts or {}, 1, #(options.fronts or {}), 1, {})
  fronts[#fronts + 1] = options.front or program.front
  return fronts
end

return M
