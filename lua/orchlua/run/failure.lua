-- What happens when compiled code raises: the message handler of the scheduler's
-- one protected call. It runs before the stack is unwound, so it can still read
-- the unit's locals: it takes the site from `at`, puts the names back into their
-- frames, and words the error from the place it was raised at.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local errors = require "orchlua.error"
local keys = require "orchlua.keys"

local article, kind = check.a, core.value.kind

local M = {}

local words = {}

local function source_text(run, node)
  local text = run.program.source.text:sub(node.pos, node.stop - 1):gsub("%s+", " ")
  return #text > 60 and text:sub(1, 57) .. "…" or text
end

function words.Field(run, node, kinds)
  return ("`%s` is %s, so `.%s` cannot be read"):format(source_text(run, node.object), article(kinds[1]), node.name)
end

function words.Index(run, node, kinds)
  return ("`%s` is %s, so an element of it cannot be read"):format(source_text(run, node.object), article(kinds[1]))
end

local takes = {
  ["+"] = "adds numbers, joins arrays, or joins text", ["-"] = "takes numbers", ["*"] = "takes numbers", ["/"] = "takes numbers",
  ["%"] = "takes numbers", IN = "looks in an array, an object or a string",
}
for _, op in ipairs { "<", "<=", ">", ">=" } do takes[op] = "orders two numbers or two strings" end

function words.Binary(_, node, kinds)
  local got = kinds[2] and ("%s and %s"):format(article(kinds[1]), article(kinds[2])) or article(kinds[1])
  return ("`%s` %s, and got %s"):format(node.op, takes[node.op] or "cannot take this", got)
end

function words.Unary(_, _, kinds)
  return ("`-` takes a number, and got %s"):format(article(kinds[1]))
end

function words.Foreach(run, node, kinds)
  return ("FOREACH goes over an array, an object or a RANGE, and `%s` is %s"):format(source_text(run, node.list), article(kinds[1]))
end

-- The object in front of an assigned key, or the list of an APPEND.
local function assigned(run, node, kinds)
  if node.tag == "Field" then
    return ("`%s` is %s, so `.%s` cannot be set"):format(source_text(run, node.object), article(kinds[1]), node.name)
  elseif node.tag == "Index" then
    return ("`%s` is %s, so an element of it cannot be set"):format(source_text(run, node.object), article(kinds[1]))
  end
  return ("APPEND adds to an array, and `%s` is %s"):format(source_text(run, node), article(kinds[1]))
end

local function worded(run, site, kinds)
  local node = run.program.sites[site].node
  if node.assigned then return assigned(run, node, kinds) end
  local word = words[node.tag]
  if word then return word(run, node, kinds) end
  return ("%s cannot be used here"):format(article(kinds[1]))
end

-- Lua's own words for the kinds it met; tables go by their metatables' names.
local function language_kind(word)
  if word == "userdata" then return "null" end
  if word:find "[Aa]rray" then return "array" end
  if word:find "[Oo]bject" or word:find "[Rr]eply" or word == "table" then return "object" end
  return word
end

local function kinds_of(message)
  local a, b = message:match "attempt to compare ([%w._]+) with ([%w._]+)"
  if not a then
    a = message:match "attempt to compare two ([%w._]+) values"
    b = a
  end
  a = a or message:match "attempt to %a+ an? ([%w._]+) value" or message:match "attempt to perform arithmetic on an? ([%w._]+) value"
    or message:match "attempt to get length of an? ([%w._]+) value"
  if a then return { language_kind(a), b and language_kind(b) } end
end

-- An error object of what was raised: Lua's own messages become the language's.
local function understood(run, site, raised)
  if errors.is(raised) then
    local node = run.program.sites[site].node
    if raised.kinds then raised.message = worded(run, site, raised.kinds) end
    if node.tag == "Method" then raised.message = raised.message:gsub("^this is", ("`%s` is"):format(source_text(run, node.object):gsub("%%", "%%%%"))) end
    return raised
  end
  local message = tostring(raised)
  if message:find "has no text$" or message:find "be compared$" then return errors.new("type", message) end
  if message:find("not enough memory", 1, true) then return errors.new("limit", "not enough memory") end
  if message:find("stack overflow", 1, true) then return errors.new("limit", "a value or an expression nested too deep") end
  local kinds = kinds_of(message)
  if kinds then return errors.new("type", worded(run, site, kinds)) end
  return errors.new("internal", message)
end

-- The stack level of the unit's function, and what the program knows of it.
local function unit_level(program)
  for level = 3, 200 do
    local info = debug.getinfo(level, "f")
    if not info then return nil end
    if program.functions[info.func] then return level, program.functions[info.func] end
  end
end

local KINDS = { [core.value.Array] = true, [core.value.Object] = true, [core.value.Reply] = true }

-- Whether what a local holds belongs to the program, and not to the runtime.
local function is_value(held)
  if type(held) ~= "table" then return type(held) == "string" end
  local metatable = getmetatable(held)
  return metatable == nil or KINDS[metatable] ~= nil
end

--- The values that compiled code, and the functions of the language that it has called, work
--- on: their locals, which are in no frame yet.
---@param run orchlua.Run
---@return any[]
function M.temporaries(run)
  local values = {}
  for level = 2, (unit_level(run.program) or 2) - 1 do
    for i = 1, 250 do
      local name, held = debug.getlocal(level, i)
      if not name then break end
      if is_value(held) then values[#values + 1] = held end
    end
  end
  return values
end

-- Puts the locals of the unit's function back into the frames; gives its site.
local function spill(level, part, frame)
  local site
  for i = 1, 250 do
    local name, held = debug.getlocal(level, i)
    if not name then break end
    local place = part.locals[name]
    if name == "at" then
      site = held
    elseif place then
      local home = frame
      for _ = 1, place.hops do home = home[2] end
      home[place.key] = held
    end
  end
  return site
end

--- The message handler: gives `{error = …, site = …}`. Outside compiled code the site
--- is that of the operation it returned; without one there is only a `trace`.
---@param run table
---@param raised any
function M.handle(run, raised)
  local work = run.work
  local branch = work.current
  local level, part = unit_level(run.program)
  local site = work.operating
  if level and branch then site = spill(level, part, branch.frame) end
  if not site or site == 0 then
    return { error = errors.wrap(raised), trace = debug.traceback(tostring(raised), 2) }
  end
  local err = understood(run, site, raised)
  if err.type == "internal" then err.trace = debug.traceback(tostring(raised), 2) end
  return { error = err, site = site }
end

--- An error as a value of the language: what CATCH binds.
---@param err orchlua.Error
function M.to_value(err)
  if err.thrown then return err.thrown end
  local value = core.value
  local result = value.object { "type", "message", type = err.type, message = value.utf8(err.message) }
  local function set(key, v)
    if v ~= nil and result[key] == nil and kind(v) then
      result[#result + 1] = key
      result[key] = v
    end
  end
  for _, key in ipairs { "line", "agent_id", "attempts", "status" } do set(key, err[key]) end
  for _, key in ipairs(keys.sorted(err.fields or {})) do set(key, err.fields[key]) end
  return result
end

return M
