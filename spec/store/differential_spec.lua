-- The store in memory is the oracle: the same random operations on entities must have
-- the same answers from SQLite. SPEC_SEED makes other sequences.

local core = require "orchlua.core"
local memory = require "orchlua.store.memory"
local random = require "orchlua.random"
local sqlite = require "orchlua.store.sqlite"

local json, value = core.json, core.value

local SEED = tonumber(os.getenv "SPEC_SEED") or os.time()

local KEYS = { "a", "b", "a b", 'q"uote', "back\\slash", "ünï", "}", "", "{", "1" }

local function generator(seed)
  local state = seed
  local function draw(n)
    local number
    number, state = random.next(state)
    return 1 + math.floor(number * n)
  end
  local one
  local kinds = {
    function() return value.null end, function() return draw(2) == 1 end, function() return draw(10) - 5 end,
    function() return draw(1000) / 7 end, function() return KEYS[draw(#KEYS)] .. '","x":{' end, function() return math.maxinteger - draw(3) end,
    function(depth)
      local list = value.array {}
      for i = 1, depth > 2 and 0 or draw(4) - 1 do list[i] = one(depth + 1) end
      return list
    end,
    function(depth)
      local object = value.object {}
      for _ = 1, depth > 2 and 0 or draw(4) - 1 do
        local key = KEYS[draw(#KEYS)]
        if object[key] == nil then object[#object + 1] = key end
        object[key] = one(depth + 1)
      end
      return object
    end,
  }
  function one(depth) return kinds[draw(#kinds)](depth) end
  local function object()
    return kinds[8](0)
  end
  return draw, one, object
end

local ACTIONS = { "create", "update", "update", "replace", "get", "query", "query", "delete" }

local function operation(draw, one, object, time)
  local action = ACTIONS[draw(#ACTIONS)]
  local request = { kind = "entity", action = action, type = KEYS[draw(3)], id = KEYS[draw(#KEYS)], time = time + draw(1000) / 997 }
  if action == "query" then
    request.id = nil
    if draw(2) == 1 then request.where = object() end
  elseif action == "replace" then
    request.properties = one(0)
  else
    request.properties = object()
  end
  return request
end

local function in_memory(store, request)
  -- The oracle keeps what it is given: it gets a copy.
  local copy = {}
  for name, field in pairs(request) do copy[name] = type(field) == "table" and value.copy(field) or field end
  local result, err = store:entity(copy)
  return err and "error " .. err.message or json.encode(result)
end

describe("entities in SQLite", function()
  local folder, loop, store, lease
  before_each(function()
    folder = io.popen("mktemp -d -p /dev/shm 2>/dev/null || mktemp -d"):read "l"
    loop = core.loop.new()
    store = assert(sqlite.open(loop, folder .. "/s.db"))
    lease = assert(store:create({ id = "r", title = "t", options = value.object {}, created = 1 }, { name = "p", source = "", first_line = 1, indent = 0 }))
    store:append(lease, 1, "start", 1)
    assert(store:commit())
  end)
  after_each(function()
    store:close()
    loop:close()
    os.execute("rm -rf " .. folder)
  end)

  it("are those of the store in memory, whatever is done with them (seed " .. SEED .. ")", function()
    local draw, one, object = generator(SEED)
    local oracle, seq, number = memory.new(), 1, 0
    for step = 1, 150 do
      local expected = {}
      for i = 1, draw(8) do
        seq, number = seq + 1, number + 1
        local request = operation(draw, one, object, step)
        request.number, request.agent_id = number, "e"
        store:append_entity(lease, request, seq, 1)
        expected[i] = in_memory(oracle, request)
      end
      local outcome = assert(store:commit())
      for i, answer in ipairs(outcome.answers) do
        local got = answer.outcome.error and "error " .. answer.outcome.error.message or json.encode(answer.outcome.value)
        assert.equal(expected[i], got, ("seed %d, step %d, %s %s/%s"):format(SEED, step, answer.request.action, answer.request.type, tostring(answer.request.id)))
        -- The answer of a change is in its own row, for a run that was cut off.
        if answer.request.action ~= "get" and answer.request.action ~= "query" then
          local kept = assert(store:answered(lease, answer.request))
          assert.equal(got, kept.error and "error " .. kept.error.message or json.encode(kept.value))
        end
      end
      assert.equal(#expected, #outcome.answers)
    end
  end)
end)
