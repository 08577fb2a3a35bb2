-- From a FILE[#PROGRAM] of the command line to the text of one program, its
-- configuration, and the compiled program.

local built_in = require "orchlua.built_in"
local config = require "orchlua.config"
local errors = require "orchlua.error"
local lfs = require "lfs"
local orchlua = require "orchlua"
local patterns = require "orchlua.patterns"
local policy = require "orchlua.policy"

local M = {}

---@class orchlua.Chosen    a program's text and where it comes from
---@field text string
---@field name string       the file's name, for messages
---@field folder string
---@field first_line? integer
---@field indent? integer
---@field title? string     its name in a literate file
---@field front? table      a literate file's front matter
---@field front_lines? table<string, integer>   the lines of its fields
---@field path? string      the file, unless it is standard input

local function read_all(path)
  if path == "-" then
    local text, problem = io.read "a"
    return text, problem and "standard input: " .. problem
  end
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text, problem = file:read "a"
  file:close()
  if not text then return nil, ("%s: %s"):format(path, problem) end
  return text
end

--- The folder that a path lies in.
function M.folder(path)
  return path:match "^(.*)/[^/]*$" or (path:sub(1, 1) == "/" and "/" or ".")
end

local function usage(message, hint)
  return errors.new("usage", message, { hint = hint })
end

-- What may have been meant by the name of a file that is not there.
local function hint_for(target)
  for _, ending in ipairs { ".dsl", ".md" } do
    if lfs.attributes(target .. ending) then return ("did you mean `%s%s`?"):format(target, ending) end
  end
  local file = target:match "^(.*)#[^/]*$"
  if file and lfs.attributes(file) then return "`#` chooses a program of a .md file" end
  if target:find "^%a+$" then return "`orchlua --help` lists the commands" end
end

-- A literate file with programs, or what is wrong with it.
local function literate_of(path, text)
  local literate = orchlua.literate.programs(text)
  local wrong = literate.diagnostics[1]
  if wrong then return nil, errors.new("usage", wrong.message, { file = path, line = wrong.line }) end
  if #literate.programs == 0 then return nil, usage(path .. " has no program: no block is labelled `dsl` or begins with `##`") end
  return literate
end

local function chosen_of(literate, path, found)
  return { text = found.text, name = path, path = path, folder = M.folder(path), first_line = found.first_line, indent = found.indent,
    front = literate.front, front_lines = literate.front_lines, title = found.name }
end

local function from_literate(path, text, selector)
  local literate, err = literate_of(path, text)
  if not literate then return nil, err end
  local programs = literate.programs
  if not selector and #programs > 1 then return nil, usage(M.list(path, programs)) end
  local found, message = programs[1], nil
  if selector then found, message = orchlua.literate.find(programs, selector) end
  if not found then return nil, usage(message) end
  return chosen_of(literate, path, found)
end

--- The list of a literate file's programs, for choosing one.
function M.list(path, programs)
  local lines = { ("%s has %d programs; run one by its name or number:"):format(path, #programs) }
  for _, program in ipairs(programs) do
    lines[#lines + 1] = ("  orchlua '%s#%s'   (%d) %s"):format(path, program.slug, program.number, program.title or "")
  end
  return table.concat(lines, "\n")
end

--- Finds a program.
---@param target string   FILE[#PROGRAM], or -
---@return orchlua.Chosen? chosen, orchlua.Error? err
function M.choose(target)
  local path, selector = target:match "^(.*%.md)#(.*)$"
  path = path or target
  local text, message = read_all(path)
  if not text then return nil, usage("cannot read " .. message, hint_for(target)) end
  if path:find "%.md$" then return from_literate(path, text, selector) end
  return { text = text, name = path == "-" and "stdin" or path, path = path ~= "-" and path or nil, folder = path == "-" and "." or M.folder(path) }
end

--- Finds all programs of a file: one, or each of a literate one.
---@param target string   as `choose` takes it
---@return orchlua.Chosen[]? list, orchlua.Error? err
function M.choose_all(target)
  if not target:find "%.md$" then
    local chosen, err = M.choose(target)
    return chosen and { chosen }, err
  end
  local text, message = read_all(target)
  if not text then return nil, usage("cannot read " .. message) end
  local literate, err = literate_of(target, text)
  if not literate then return nil, err end
  local list = {}
  for i, found in ipairs(literate.programs) do list[i] = chosen_of(literate, target, found) end
  return list
end

--- The configuration for a program.
---@return table? checked, orchlua.Error? err, string? path
function M.config(chosen, explicit)
  local path = config.find(chosen.path, explicit)
  if not path then return config.default() end
  local loaded, problem = config.load(path)
  return loaded, problem, path
end

-- What a configuration knows and allows, for the compiler's warnings. One without agents knows nothing.
local function known(checked, front)
  local any, narrowed = next(checked.agents) ~= nil, policy.narrow(checked, front)
  return {
    agent = function(id) return not any or config.match(checked.agents, id) ~= nil end,
    event = function(name)
      local pattern = name:match "^pattern:(.*)$"
      local missing = pattern and patterns.missing(pattern, checked.patterns)
      if missing then return false, missing.message, missing.hint end
      return pattern ~= nil or not any or built_in.events[name] or config.match(checked.events, name) ~= nil
    end,
    allows_agent = function(id) return config.allows_agent(narrowed, id) end,
    allows_event = function(name) return config.allows_event(narrowed, name) end,
  }
end

-- What a configuration finds in the front matter; it is the same for all programs of the file.
local function judged(chosen, checked)
  local found = policy.judge(checked, chosen.front)
  table.sort(found, function(a, b) return chosen.front_lines[a.field] < chosen.front_lines[b.field] end)
  for _, diagnostic in ipairs(found) do
    diagnostic.file, diagnostic.line, diagnostic.column = chosen.name, chosen.front_lines[diagnostic.field], 1
  end
  return found
end

--- Compiles a chosen program under a configuration.
---@param edited? boolean   it is to take over a run of another program
---@return orchlua.Program? program
---@return table[] diagnostics   those about a literate file's front matter have its `field`
function M.compile(chosen, checked, edited)
  local program, found, all = orchlua.compile(chosen.text, {
    name = chosen.name, first_line = chosen.first_line, indent = chosen.indent, config = checked, known = known(checked, chosen.front), edited = edited,
  })
  local diagnostics = judged(chosen, checked)
  local wrong = M.split(diagnostics)[1]
  table.move(all or found, 1, #(all or found), #diagnostics + 1, diagnostics)
  if not program or wrong then return nil, diagnostics end
  program.folder, program.front, program.title = chosen.folder, chosen.front, program.title or chosen.title
  return program, diagnostics
end

--- Errors and warnings of a compilation, apart.
---@return table[] wrong, table[] warned
function M.split(found)
  local wrong, warned = {}, {}
  for _, diagnostic in ipairs(found) do
    local list = diagnostic.severity == "error" and wrong or warned
    list[#list + 1] = diagnostic
  end
  return wrong, warned
end

-- What is wrong with the file of a sub-run: a link may lead anywhere, and reading what is no file may never end.
local function wrong_file(folder, file)
  local path, mode = folder, nil
  for part in (file:match "^(.*%.md)#.*$" or file):gmatch "[^/]+" do
    path = path .. "/" .. part
    mode = lfs.symlinkattributes(path, "mode")
    if mode == "link" then
      return errors.new("policy", ("a sub-run is a file beside its own program or below, and `%s` is a symbolic link"):format(path))
    end
  end
  return mode and mode ~= "file" and errors.new("event", ("cannot read %s: it is no file"):format(path)) or nil
end

--- Compiles the file of a sub-run, which lies in the folder of the program that asks for it.
---@return orchlua.Program? program, orchlua.Error? err
function M.compile_file(folder, file, checked)
  local path, wrong = folder .. "/" .. file, wrong_file(folder, file)
  if wrong then return nil, wrong end
  local chosen, err = M.choose(path)
  if not chosen then return nil, errors.new("event", err.line and ("%s:%d: %s"):format(err.file, err.line, err.message) or err.message) end
  local compiled, found = M.compile(chosen, checked)
  if compiled then return compiled end
  local first = M.split(found)[1]
  return nil, errors.new("event", ("%s:%d:%d: %s"):format(path, first.line, first.column, first.message))
end

return M
