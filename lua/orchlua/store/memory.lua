-- The store in memory: entities, which outlive their run and are shared by all
-- runs of a runtime. It forgets all when the process ends.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local where = require "orchlua.store.where"

local value = core.value
local null = value.null

local M = {}

---@class orchlua.Store
local Store = {}
Store.__index = Store

function M.new()
  return setmetatable({ entities = {} }, Store)
end

local function kind_of(self, type_name)
  local found = self.entities[type_name]
  if not found then
    found = { ids = {}, by_id = {} }
    self.entities[type_name] = found
  end
  return found
end

local function put(self, type_name, id, properties, time, created)
  local entities = kind_of(self, type_name)
  if not entities.by_id[id] then entities.ids[#entities.ids + 1] = id end
  local entity = value.object {
    "type", "id", "properties", "created_at", "updated_at",
    type = type_name, id = id, properties = properties, created_at = created or time, updated_at = time,
  }
  entities.by_id[id] = entity
  return value.copy(entity)
end

-- One level deep: a key of `changes` replaces the key of `properties`; all of them, when
-- those are no object.
local function merged(properties, changes)
  if value.kind(properties) ~= "object" then return changes end
  local result = value.copy(properties)
  for _, key in ipairs(changes) do
    if result[key] == nil then result[#result + 1] = key end
    result[key] = changes[key]
  end
  return result
end

local actions = {}

function actions.create(self, type_name, id, data, time)
  if kind_of(self, type_name).by_id[id] then
    return nil, errors.new("entity", ("the entity %s/%s exists already"):format(type_name, id))
  end
  return put(self, type_name, id, data.properties, time)
end

function actions.update(self, type_name, id, data, time)
  local known = kind_of(self, type_name).by_id[id]
  if not known then return put(self, type_name, id, data.properties, time) end
  return put(self, type_name, id, merged(known.properties, data.properties), time, known.created_at)
end

function actions.replace(self, type_name, id, data, time)
  local known = kind_of(self, type_name).by_id[id]
  return put(self, type_name, id, data.properties, time, known and known.created_at)
end

function actions.get(self, type_name, id)
  local known = kind_of(self, type_name).by_id[id]
  return known and value.copy(known) or null
end

function actions.query(self, type_name, _, data)
  local entities, found = kind_of(self, type_name), value.array {}
  for _, id in ipairs(entities.ids) do
    local entity = entities.by_id[id]
    if where.matches(entity.properties, data.where) then found[#found + 1] = value.copy(entity) end
  end
  return found
end

function actions.delete(self, type_name, id)
  local entities = kind_of(self, type_name)
  if not entities.by_id[id] then return false end
  entities.by_id[id] = nil
  for i, known in ipairs(entities.ids) do
    if known == id then table.remove(entities.ids, i) break end
  end
  return true
end

--- Does what a request asks of entities.
---@param request { action: string, type: string, id: string?, properties: any, where: table?, time: number }
---@return any value   the entity, a list of them, whether there was one; nil on an error
---@return orchlua.Error?
function Store:entity(request)
  return actions[request.action](self, request.type, request.id, request, request.time)
end

return M
