-- Pattern libraries: finding them, checking what they are given, and calling one from
-- another: `patterns.vote(flow, {…})`. A pattern is a Lua module `{name, summary, params, run}`:
-- one of the configuration's `patterns`, or `orchlua.patterns.NAME` in package.preload (the command that is built
-- has its own there) or on package.path. A program chooses NAME: the command leaves out the current folder.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local keys = require "orchlua.keys"
local lfs = require "lfs"
local nearest = require "orchlua.nearest"

local value = core.value
local null = value.null

local M = {}

---@class orchlua.Pattern
---@field name string
---@field summary? string
---@field params table<string, string|table>   by name a kind, `"array"`, or `{kind, default =, optional =, description =}`
---@field run fun(flow: table, params: table): any

local PREFIX = "orchlua.patterns."

-- Where libraries are looked for that no configuration names; nil: on package.path.
local search_path

--- Says where libraries are looked for that no configuration names.
---@param path string   as package.path
function M.look_in(path) search_path = path end

-- Declarations ------------------------------------------------------------------------

--- A parameter's declaration in one form.
---@return { kind: string, default: any, optional: boolean, description: string? }
function M.declared(spec)
  if type(spec) ~= "table" then return { kind = spec, optional = false } end
  return { kind = spec[1] or spec.kind or "any", default = spec.default, optional = spec.optional or false, description = spec.description }
end

local KINDS = { "any", "array", "boolean", "function", "integer", "null", "number", "object", "string" }

local is_kind = {}
for _, kind in ipairs(KINDS) do is_kind[kind] = true end

-- The first kind of a declaration that is none.
local function unknown_kind(kinds)
  if type(kinds) ~= "string" or not kinds:find "%w" then return tostring(kinds) end
  for kind in kinds:gmatch "%w+" do
    if not is_kind[kind] then return kind end
  end
end

-- What is wrong with what a pattern says of its parameters.
local function wrong_declaration(params, pattern)
  for _, name in ipairs(keys.names(params)) do
    local of = unknown_kind(M.declared(params[name]).kind)
    if of then
      return errors.new("pattern", ("the pattern `%s` declares its parameter `%s` as `%s`, which is no kind of value"):format(pattern, name, of),
        { hint = nearest.hint(of, KINDS) or "the kinds are " .. table.concat(KINDS, ", ") })
    end
  end
end

-- Finding -----------------------------------------------------------------------------

local function check_shape(pattern, name)
  if type(pattern) ~= "table" or type(pattern.run) ~= "function" or type(pattern.params or {}) ~= "table" then
    return nil, errors.new("pattern", ("the pattern `%s` is no table with `params` and a function `run`"):format(name))
  end
  local wrong = wrong_declaration(pattern.params or {}, pattern.name or name)
  if wrong then return nil, wrong end
  pattern.name, pattern.params = pattern.name or name, pattern.params or {}
  return pattern
end

-- The folders that may hold patterns.
local function folders()
  local found = {}
  for template in (search_path or package.path):gmatch "[^;]+" do
    local folder = template:match "^(.*)%?%.lua$"
    if folder then found[#found + 1] = (folder == "" and "./" or folder) .. PREFIX:gsub("%.", "/") end
  end
  return found
end

--- The names of all patterns that can be found.
---@param configured? table<string, string|table>   of the configuration
---@return string[] names   sorted
function M.names(configured)
  local set = {}
  for name in pairs(configured or {}) do set[name] = true end
  for _, loaders in ipairs { package.loaded, package.preload } do
    for module in pairs(loaders) do
      local name = module:match "^orchlua%.patterns%.([%w_]+)$"
      if name then set[name] = true end
    end
  end
  for _, folder in ipairs(folders()) do
    if lfs.attributes(folder, "mode") == "directory" then
      for file in lfs.dir(folder) do
        local name = file:match "^([%w_]+)%.lua$"
        if name then set[name] = true end
      end
    end
  end
  return keys.sorted(set)
end

-- Libraries that were loaded from files, by these.
local from_files = {}

local function load_file(file, module)
  if from_files[file] == nil then from_files[file] = assert(loadfile(file))(module, file) end
  return from_files[file]
end

-- Loads a library with `load(...)`. Where Lua has looked for a module in vain is told in a word.
local function load_library(name, load, ...)
  local ok, pattern = pcall(load, ...)
  if ok then return check_shape(pattern, name) end
  local nowhere = tostring(pattern):match "^(module '[^\n]*' not found):\n"
  return nil, errors.new("pattern", ("the pattern `%s` cannot be loaded: %s"):format(name, nowhere or tostring(pattern)),
    { hint = nowhere and "a module is looked for beside the configuration, then on package.path" or nil })
end

-- The file of a module in a folder.
local function file_in(folder, module)
  local stem = folder:gsub("/*$", "/") .. module:gsub("%.", "/")
  for _, file in ipairs { stem .. ".lua", stem .. "/init.lua" } do
    if lfs.attributes(file, "mode") == "file" then return file end
  end
end

-- What a configuration names: the pattern itself, or its module.
local function load_given(given, name)
  if type(given) == "string" then return load_library(name, require, given) end
  if not given.module then return check_shape(given, name) end
  local file = file_in(given.folder, given.module)
  if file then return load_library(name, load_file, file, given.module) end
  return load_library(name, require, given.module)
end

local function unknown(name, configured)
  return errors.new("pattern", ("there is no pattern `%s`"):format(name), {
    hint = nearest.hint(name, M.names(configured)) or "`orchlua patterns` lists those there are",
  })
end

-- Where a library lies that no configuration names, or true when that is no matter.
local function place(name)
  local module = PREFIX .. name
  if package.loaded[module] or package.preload[module] then return true end
  return package.searchpath(module, search_path or package.path)
end

--- Why a pattern will not be found; nil when it is there. Loads nothing.
---@param name string
---@param configured? table<string, string|table>
---@return orchlua.Error?
function M.missing(name, configured)
  if configured and configured[name] or place(name) then return nil end
  return unknown(name, configured)
end

--- Finds a pattern.
---@param name string
---@param configured? table<string, string|table>   of the configuration: a module, by its name or as `{ module =, folder = }`, or the pattern itself
---@return orchlua.Pattern? pattern, orchlua.Error? err
function M.find(name, configured)
  local given = configured and configured[name]
  if given then return load_given(given, name) end
  local found, module = place(name), PREFIX .. name
  if not found then return nil, unknown(name, configured) end
  if found == true then return load_library(name, require, module) end
  return load_library(name, load_file, found, module)
end

-- Parameters ------------------------------------------------------------------------------

local function is_of_kind(v, kind)
  if kind == "any" then return true end
  if type(v) == "function" then return kind == "function" end
  if kind == "integer" then return math.type(v) == "integer" or type(v) == "number" and v == math.floor(v) end
  return value.kind(v) == kind
end

local function matches(v, kinds)
  for kind in kinds:gmatch "%w+" do
    if is_of_kind(v, kind) then return true end
  end
  return false
end

local function in_words(kinds)
  return (kinds:gsub("|", " or "))
end

local function shown(v)
  if type(v) == "function" then return "a function" end
  if value.kind(v) == "string" then return ('"%s"'):format(#v > 40 and v:sub(1, 37) .. "…" or v) end
  if type(v) == "table" then return value.kind(v) == "array" and "an array" or "an object" end
  return value.text(v)
end

local function refuse(pattern, message, hint)
  errors.raise("pattern", ("pattern %s: %s"):format(pattern.name, message), { hint = hint })
end

-- Fields of the event that are the runtime's, not the pattern's.
local OF_THE_EVENT = { on_error = true, task_id = true }

local function checked(pattern, name, given)
  local declared = M.declared(pattern.params[name])
  if given == nil or given == null then
    if declared.default ~= nil then return assert(value.from_lua(declared.default)) end
    if declared.optional then return nil end
    refuse(pattern, ("the parameter `%s` is missing: it takes %s"):format(name, in_words(declared.kind)), declared.description)
  end
  if type(given) ~= "function" then
    local converted, message = value.from_lua(given)
    if converted == nil then refuse(pattern, ("`%s` is no value: %s"):format(name, message)) end
    given = converted
  end
  if not matches(given, declared.kind) then
    refuse(pattern, ("`%s` takes %s, and got %s"):format(name, in_words(declared.kind), shown(given)), declared.description)
  end
  return given
end

--- Checks what a pattern is given; raises an error that names what is wrong.
---@param pattern orchlua.Pattern
---@param given table   an object of the language, or a plain table
---@return table params   by name; absent ones that are optional are nil
function M.check(pattern, given)
  if type(given) ~= "table" or value.kind(given) == "array" and #given > 0 then
    refuse(pattern, ("it takes an object of parameters, and got %s"):format(shown(given)))
  end
  for _, name in ipairs(keys.names(given)) do
    if not pattern.params[name] and not OF_THE_EVENT[name] then
      local known = keys.names(pattern.params)
      refuse(pattern, ("it has no parameter `%s`"):format(name), nearest.hint(name, known) or "it takes " .. table.concat(known, ", "))
    end
  end
  local params = {}
  for _, name in ipairs(keys.names(pattern.params)) do params[name] = checked(pattern, name, given[name]) end
  return params
end

-- `{name}` and `{name.field}`; what is not there stays as it is.
local function lookup(values, path)
  local v = values
  for name in path:gmatch "[^.]+" do
    if type(v) ~= "table" then return nil end
    v = v[name]
  end
  return v
end

--- Fills a pattern's template, once: `{item}`, `{task.id}`. Other braces stay as they are.
---@param template string
---@param values table<string, any>
---@return string
function M.fill(template, values)
  return (template:gsub("{([%a_][%w_.]*)}", function(path)
    local found = lookup(values, path)
    if found ~= nil then return value.text(assert(value.from_lua(found))) end
  end))
end

--- `patterns.NAME(flow, params)`: calls a pattern inside another.
setmetatable(M, { __index = function(_, name)
  return function(flow, params)
    local pattern, err = M.find(name, flow:patterns())
    if not pattern then error(err, 0) end
    return pattern.run(flow, M.check(pattern, params or {}))
  end
end })

return M
