-- What compiled code calls: the meaning of each operator and of each statement
-- that does not wait, for the cases its inline guards do not settle. Errors
-- raised here carry no place; `failure` adds it from the site.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local cost = require "orchlua.functions.cost"
local errors = require "orchlua.error"
local functions = require "orchlua.functions"
local methods = require "orchlua.functions.methods"
local range = require "orchlua.functions.range"

local value = core.value
local kind, null, Array, Object = value.kind, value.null, value.Array, value.Object
local math_type = math.type

local M = {
  null = null, Array = Array, Object = Object, setmetatable = setmetatable,
  text = value.text, equal = value.equal, large_text = 1024,
}

-- Elements that are looked at for nothing.
local FEW = 16

-- An operand of the wrong kind: `failure` words it from the kinds and the place.
local function wrong(a, b)
  errors.raise("type", "", { kinds = { kind(a), b ~= nil and kind(b) or nil } })
end

-- Bytes of the longest string; elements of the longest array that is made at once. Sizes from which on memory is looked at.
local LONGEST_TEXT, LONGEST_LIST = 256 * 1024 * 1024, 10000000
local LARGE_TEXT, LARGE_LIST = 64 * 1024, 4096

--- A text longer than `large_text` has been made.
function M.made_large(run, text)
  if #text > LONGEST_TEXT then errors.raise("limit", "a string longer than 256 MiB") end
  cost.copied(run, #text)
  if #text > LARGE_TEXT then run:made_large() end
  return text
end

-- Arithmetic -----------------------------------------------------------------

local function numbers(a, b)
  if not math_type(a) or not math_type(b) then wrong(a, b) end
end

local function finite(result, message)
  if result - result ~= 0 then errors.raise("arithmetic", message) end
  return result
end

local function integers(a, b)
  return math_type(a) == "integer" and math_type(b) == "integer"
end

local function overflow(op)
  errors.raise("arithmetic", ("the result of `%s` does not fit a 64-bit integer"):format(op))
end

local function joined(a, b, run)
  if #a + #b > LONGEST_LIST then errors.raise("limit", "an array of more than 10 million elements") end
  if #a + #b > LARGE_LIST then run:made_large() end
  cost.collected(run, #a + #b)
  local result = table.move(a, 1, #a, 1, {})
  return value.array(table.move(b, 1, #b, #a + 1, result))
end

--- `+`: adds numbers, joins arrays, and joins text when either side is a string.
function M.add(a, b, run)
  if math_type(a) and math_type(b) then
    local result = a + b
    if integers(a, b) and (b >= 0) ~= (result >= a) then overflow "+" end
    return finite(result, "the result of `+` is not finite")
  end
  if type(a) == "string" or type(b) == "string" then
    local result = value.text(a, run) .. value.text(b, run)
    return #result > M.large_text and M.made_large(run, result) or result
  end
  if kind(a) == "array" and kind(b) == "array" then return joined(a, b, run) end
  wrong(a, b)
end

function M.subtract(a, b)
  numbers(a, b)
  local result = a - b
  if integers(a, b) and (b >= 0) ~= (result <= a) then overflow "-" end
  return finite(result, "the result of `-` is not finite")
end

function M.multiply(a, b)
  numbers(a, b)
  local result = a * b
  if integers(a, b) and a ~= 0 and (result // a ~= b or (a == -1 and b == math.mininteger)) then overflow "*" end
  return finite(result, "the result of `*` is not finite")
end

function M.divide(a, b)
  numbers(a, b)
  if b == 0 then errors.raise("arithmetic", "division by zero") end
  if integers(a, b) and a % b == 0 then
    if a == math.mininteger and b == -1 then overflow "/" end
    return a // b
  end
  return finite(a / b, "the result of `/` is not finite")
end

--- `%`: the remainder takes the dividend's sign.
function M.remainder(a, b)
  numbers(a, b)
  if b == 0 then errors.raise("arithmetic", "`%` by zero") end
  return math.fmod(a, b)
end

function M.negate(a)
  if not math_type(a) then wrong(a) end
  if a == math.mininteger then overflow "-" end
  return 0 - a
end

-- Fields and elements -------------------------------------------------------------

--- `a.name`, where the object has no such key, or is none.
function M.field(object, name, run)
  local of = kind(object)
  if of == "object" then
    local found = object[name]
    return found == nil and null or found
  end
  if of == "array" or of == "string" then return name == "length" and M.length(object, run) or null end
  wrong(object)
end

function M.length(object, run)
  if kind(object) == "null" or type(object) == "number" or type(object) == "boolean" then wrong(object) end
  return methods.length(run, object)
end

--- A field that the object itself has, or nil.
function M.own_field(object, name)
  if kind(object) == "object" then return object[name] end
end

-- A key of an object, from any scalar: `o[1]` is `o["1"]`.
local function key_text(key)
  local of = kind(key)
  if of == "string" then return key end
  if of == "number" or of == "boolean" then return value.text(key) end
  errors.raise("type", ("a key is a string or a number, and this is %s"):format(check.a(of)))
end

-- The 1-based position of a 0-based index, which may be a whole float.
local function position(index)
  local whole = math.tointeger(index)
  if math_type(index) == nil or not whole then
    errors.raise("type", ("an index of an array is a whole number, and this is %s"):format(
      math_type(index) and value.text(index) or check.a(kind(index))))
  end
  if whole < 0 then errors.raise("type", ("an index of an array is 0 or more, and this is %d"):format(whole)) end
  return whole + 1
end

function M.index(object, key, run)
  local of = kind(object)
  local found
  if of == "object" then
    found = object[key_text(key)]
  elseif of == "array" then
    found = object[position(key)]
  elseif of == "string" and math_type(key) then
    local at = position(key)
    cost.searched(run, #object)
    local start = utf8.offset(object, at)
    found = start and start <= #object and object:sub(start, utf8.offset(object, 2, start) - 1) or nil
  elseif of == "string" then
    return M.field(object, key, run)
  else
    wrong(object)
  end
  if found == nil then return null end
  return found
end

function M.set_field(object, name, new)
  if kind(object) ~= "object" then wrong(object) end
  if object[name] == nil then object[#object + 1] = name end
  object[name] = new
end

function M.set_index(object, key, new)
  local of = kind(object)
  if of == "object" then return M.set_field(object, key_text(key), new) end
  if of ~= "array" then wrong(object) end
  local at = position(key)
  if at > #object + 1 then
    errors.raise("type", ("index %d is beyond the end of an array of %d"):format(at - 1, #object))
  end
  object[at] = new
end

--- `APPEND`: a null path becomes `[new]`.
function M.append(list, new)
  if list == null then return value.array { new } end
  if kind(list) ~= "array" then wrong(list) end
  list[#list + 1] = new
  return list
end

--- `a IN b`.
function M.contains(a, b, run)
  local of = kind(b)
  if of == "array" then
    if #b > FEW then run:charge(#b) end
    for i = 1, #b do
      if b[i] == a or value.equal(b[i], a, run) then return true end
    end
    return false
  end
  if of == "object" then return b[key_text(a)] ~= nil end
  if of == "string" and type(a) == "string" then
    cost.searched(run, #b)
    return value.find(b, a) ~= nil
  end
  wrong(b)
end

-- Loops ------------------------------------------------------------------------------

--- What a FOREACH goes over: the elements as they are now, `count` of them.
function M.items(list, pairs_wanted, run)
  local of = kind(list)
  if of == "array" then
    cost.collected(run, #list)
    local items = table.move(list, 1, #list, 1, { count = #list })
    if pairs_wanted then
      items.keys = {}
      for i = 1, #list do items.keys[i] = i - 1 end
    end
    return items
  end
  if of ~= "object" then wrong(list) end
  cost.collected(run, #list)
  local keys = table.move(list, 1, #list, 1, { count = #list })
  if not pairs_wanted then return keys end
  run:charge(#list // FEW)
  local items = { count = #list, keys = keys }
  for i = 1, #list do items[i] = list[list[i]] end
  return items
end

local function whole(n, what)
  if not math_type(n) then
    errors.raise("type", ("RANGE takes numbers, and %s is %s"):format(what, check.a(kind(n))))
  end
  return math.tointeger(n) or n
end

--- The head of a counted loop: `RANGE(n)`, `RANGE(a, b)`, `RANGE(a, b, step)`.
function M.range(first, past, step)
  if past == nil then first, past = 0, first end
  first, past, step = whole(first, "its start"), whole(past, "its end"), whole(step or 1, "its step")
  if step == 0 then errors.raise("arithmetic", "the step of RANGE is 0") end
  return { count = range.count(first, past, step), first = first, step = step }
end

--- The next slice of loop turns, when the step limit leaves one.
function M.more(run)
  return run:more()
end

-- Statements -----------------------------------------------------------------------------

function M.emit(run, site, name, data) return run:emit(site, name, data) end
function M.track(run, site, data) return run:track(site, data) end

function M.budget(run, site, limits) return run:budget(site, limits) end
function M.phase(run, text) return run:phase(text) end

function M.persist(run, site, entity_kind, data)
  if kind(data) ~= "object" or data.key == nil or data.key == null then
    errors.raise("type", "PERSIST takes {key: …, data: …}")
  end
  check.fields("PERSIST", data)
  if data.data ~= nil and data.data ~= null and kind(data.data) ~= "object" then errors.raise("type", "`data` of PERSIST is an object") end
  run:emit(site, "state:entity:replace", value.object {
    "type", "id", "properties", type = value.text(entity_kind), id = value.text(data.key), properties = data.data or null,
  })
end

function M.send(run, site, agent, message)
  run:emit(site, "completion:async", value.object { "agent_id", "prompt", agent_id = agent, prompt = message })
end

function M.send_options(run, site, options)
  if kind(options) ~= "object" or options.to == nil or options.message == nil then
    errors.raise("type", "SEND takes {to: …, message: …}")
  end
  local data = value.object { "agent_id", "prompt", agent_id = options.to, prompt = options.message }
  for _, key in ipairs(options) do
    if key ~= "to" and key ~= "message" then M.set_field(data, key, options[key]) end
  end
  run:emit(site, "completion:async", data)
end

function M.share(run, site, agent, name, shared)
  local prompt = value.object { name, [name] = shared }
  for _, id in ipairs(kind(agent) == "array" and agent or { agent }) do M.send(run, site, id, prompt) end
end

--- The mode, agents and time-out of `AWAIT {from: …, timeout: …} AS x`.
function M.await_options(options)
  if kind(options) ~= "object" then wrong(options) end
  check.fields("AWAIT", options)
  local from, timeout = options.from, options.timeout
  if from == null then from = nil end
  if timeout == null then timeout = nil end
  return { mode = from ~= nil and "one" or nil, from = from, timeout = timeout }
end

-- The message of an error is gone through again wherever the error is told.
local function message(run, v)
  local text = value.text(v, run)
  cost.written(run, #text)
  return text
end

--- `FAIL e`: an error of type `user`, or the given `{type, message}`.
function M.fail(run, _, thrown)
  if kind(thrown) ~= "object" then errors.raise("user", message(run, thrown)) end
  local fields = {}
  for _, key in ipairs(thrown) do fields[key] = thrown[key] end
  local type_name = type(thrown.type) == "string" and thrown.type or "user"
  errors.raise(type_name, message(run, thrown.message or thrown), { fields = fields })
end

--- Goes on with an error that a FINALLY block held up.
function M.rethrow(thrown)
  error(errors.new(thrown.type, thrown.message, { thrown = thrown }), 0)
end

for name, signature in pairs(functions) do M["call_" .. name] = signature.fn end
for name, method in pairs(methods) do
  if type(method) == "table" then M["method_" .. name] = method.fn end
end

return M
