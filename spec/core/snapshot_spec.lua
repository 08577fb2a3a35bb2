-- Snapshots: a graph of tables comes back as it was, and no bytes do harm.

local core = require "orchlua.core"

local snapshot, value = core.snapshot, core.value

local Kind = { __name = "kind" }
local unit = { "stands for itself" }
local NAMES = { [value.Array] = "array", [value.Object] = "object", [Kind] = "kind", [unit] = "unit" }
local BY_NAME = { array = value.Array, object = value.Object, kind = Kind, unit = unit }

local function back(root) return snapshot.decode(snapshot.encode(root, NAMES), BY_NAME) end

-- Whether two graphs are the same, sharing included.
local function same(a, b, seen)
  if type(a) ~= "table" then return a == b and math.type(a) == math.type(b) or a ~= a and b ~= b end
  if type(b) ~= "table" then return false end
  if seen[a] then return seen[a] == b end
  seen[a] = b
  if getmetatable(a) ~= getmetatable(b) then return false end
  for key, field in pairs(a) do
    if not same(field, b[key], seen) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local function random_graph(count)
  local tables = {}
  for i = 1, count do tables[i] = setmetatable({}, ({ value.Array, value.Object, Kind })[math.random(4)]) end
  local scalars = {
    function() return tables[math.random(count)] end, function() return math.random(-1000, 1000) end, function() return math.random() * 10 ^ math.random(-300, 300) end,
    function() return ("s%d\0\255"):format(math.random(20)) end, function() return math.random() < 0.5 end, function() return value.null end, function() return unit end,
    function() return math.mininteger end, function() return math.maxinteger end, function() return 1 / 0 end, function() return -0.0 end,
  }
  for _, t in ipairs(tables) do
    for i = 1, math.random(0, 5) do t[i] = scalars[math.random(#scalars)]() end
    for _ = 1, math.random(0, 5) do t[math.random() < 0.5 and "k" .. math.random(30) or math.random(-9, 99)] = scalars[math.random(#scalars)]() end
  end
  return tables[1]
end

describe("core.snapshot", function()
  it("brings random graphs back, sharing, cycles and kinds of tables included", function()
    for _ = 1, 300 do
      local graph = random_graph(math.random(1, 40))
      assert.is_true(same(graph, assert(back(graph)), {}))
    end
  end)

  it("goes as deep as memory does", function()
    local list = {}
    for _ = 1, 200000 do list = { next = list } end
    local depth, at = 0, assert(back(list))
    while at.next do depth, at = depth + 1, at.next end
    assert.equal(200000, depth)
  end)

  it("refuses what is no data, and kinds that have no name", function()
    for _, thing in ipairs { print, coroutine.create(print), io.stdout, setmetatable({}, {}) } do
      assert.has_error(function() snapshot.encode({ thing }, NAMES) end)
    end
  end)

  it("reads any bytes without harm: a message, or a table", function()
    local bytes = snapshot.encode(random_graph(20), NAMES)
    for size = 0, #bytes - 1 do
      local root, message = snapshot.decode(bytes:sub(1, size), BY_NAME)
      assert.is_nil(root)
      assert.matches("^the snapshot cannot be read: ", message)
    end
    for _ = 1, 20000 do
      local at = math.random(#bytes)
      local flipped = bytes:sub(1, at - 1) .. string.char(math.random(0, 255)) .. bytes:sub(at + 1)
      local root, message = snapshot.decode(flipped, BY_NAME)
      assert.is_true(type(root) == "table" or type(message) == "string")
    end
    assert.matches("another release wrote it", select(2, snapshot.decode("OS\255" .. bytes:sub(4), BY_NAME)))
    assert.matches("names what this program does not have", select(2, snapshot.decode(snapshot.encode({ unit }, NAMES), {})))
  end)
end)
