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

return function(text)
  local decoded, message, at = json.decode(text)
  local sliced, sliced_message, sliced_at = slowly(text, #text % 13 + 1)
  assert(message == sliced_message and at == sliced_at, "a reading in slices ends elsewhere")
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
