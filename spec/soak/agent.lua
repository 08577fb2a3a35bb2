-- The soak's agent in Lua. The prompt says what becomes of it: `FATE VALUE`.

local orchlua = require "orchlua"

local fates = {}

function fates.ok(value) return { value = value } end

function fates.slow(value)
  orchlua.sleep(0.3)
  return { value = value }
end

function fates.flaky(value, request)
  if request.attempt < 2 then error("out of order", 0) end
  return { value = value }
end

function fates.fail() error("no paper left", 0) end

function fates.hang() orchlua.sleep(30000) end

function fates.broken(value) return ('{"value": %d'):format(value) end

function fates.mends(value, request)
  return request.attempt < 2 and fates.broken(value) or fates.ok(value)
end

fates.kill = fates.fail

return function(request)
  local fate, value = request.prompt:match "^(%a+) (%d+)"
  return fates[fate](tonumber(value), request)
end
