-- Fuzzes the reader of snapshots: any bytes are read or refused; what was read is written
-- and read again, and is the same graph.

local core = require "orchlua.core"

local snapshot, value = core.snapshot, core.value

local unit = { "stands for itself" }
local BY_NAME = { array = value.Array, object = value.Object, reply = value.Reply, unit = unit }
local NAMES = {}
for name, thing in pairs(BY_NAME) do NAMES[thing] = name end

-- Tables that are keys are counted only: which of two graphs' keys belong together is
-- not to be seen from outside.
local function is_plain(key) return type(key) ~= "table" or NAMES[key] ~= nil end

local function keys(t)
  local plain, others = {}, 0
  for key in pairs(t) do
    if is_plain(key) then plain[#plain + 1] = key else others = others + 1 end
  end
  return plain, others
end

local function same_scalar(a, b) return a == b and math.type(a) == math.type(b) or a ~= a and b ~= b end

-- Whether two graphs are the same, sharing and the sign of zeros included.
local function same(a, b)
  local seen, queue = { [a] = b }, { a }
  local function same_value(one, other)
    if type(one) ~= "table" then return same_scalar(one, other) and (one ~= 0 or 1 / one == 1 / other) end
    if type(other) ~= "table" or NAMES[one] or NAMES[other] then return one == other end
    if seen[one] then return seen[one] == other end
    seen[one], queue[#queue + 1] = other, one
    return true
  end
  local at = 1
  while queue[at] do
    local one, other = queue[at], seen[queue[at]]
    local plain, others = keys(one)
    local other_plain, other_others = keys(other)
    if getmetatable(one) ~= getmetatable(other) or #plain ~= #other_plain or others ~= other_others then return false end
    for _, key in ipairs(plain) do
      if not same_value(rawget(one, key), rawget(other, key)) then return false end
    end
    at = at + 1
  end
  return true
end

return function(bytes)
  local root, message = snapshot.decode(bytes, BY_NAME)
  if root == nil then
    assert(message:find "^the snapshot cannot be read: .")
    return message
  end
  local again = assert(snapshot.decode(snapshot.encode(root, NAMES), BY_NAME))
  assert(same(root, again), "read again it is another graph")
end
