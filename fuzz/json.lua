-- Fuzzes the JSON codec: any bytes are decoded or refused at a place inside them; what
-- was decoded is encoded and decoded to the same again, whole and in slices.

local core = require "orchlua.core"

local json, value = core.json, core.value

-- What `decode_slowly` gives, and how often it paused.
local function slowly(text, slice)
  local co = coroutine.create(json.decode_slowly)
  local pauses, results = -1
  repeat
    results = table.pack(coroutine.resume(co, text, slice))
    pauses = pauses + 1
    assert(results[1], results[2])
  until coroutine.status(co) == "dead"
  assert(pauses <= #text // slice + 1, "more pauses than slices")
  return table.unpack(results, 2, results.n)
end

-- Keys that some inputs of the corpus have, also inside one another.
local PATHS = { "a", "b/1", "b/c", "id" }

-- What lies at a path of a decoded value.
local function value_at(v, path)
  for key in path:gmatch "[^/]+" do
    local kind = value.kind(v)
    if kind == "array" then v = v[tonumber(key)]
    elseif kind == "object" then v = v[key]
    else return nil end
  end
  return v
end

local function check_found(text, decoded)
  local found = table.pack(json.find(text, PATHS))
  assert((found[1] == true) == (decoded ~= nil), "find and decode do not agree")
  for i, path in ipairs(decoded and PATHS or {}) do
    local expected, given = value_at(decoded, path), found[i + 1]
    assert(expected == nil and given == nil or given ~= nil and value.equal(expected, given), "find gives something else")
  end
end

return function(text)
  local decoded, message, at = json.decode(text)
  local sliced, sliced_message, sliced_at = slowly(text, #text % 13 + 1)
  assert(message == sliced_message and at == sliced_at, "a reading in slices ends elsewhere")
  if value.kind(decoded) == "object" or decoded == nil then check_found(text, decoded) end
  if decoded == nil then
    assert(#message > 0 and at >= 1 and at <= #text + 1, "refused at no place")
    return ("%d: %s"):format(at, message)
  end
  local encoded = assert(json.encode(decoded))
  assert(json.encode(sliced) == encoded, "a reading in slices gives something else")
  local again, indented = json.decode(encoded), json.decode(assert(json.encode(decoded, #text % 5)))
  assert(value.equal(again, decoded) and json.encode(again) == encoded, "decoded again it is something else")
  assert(value.equal(indented, decoded), "indented it is something else")
  assert(value.equal(value.copy(decoded), decoded), "its copy is something else")
  return encoded
end
