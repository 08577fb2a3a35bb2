-- Entities in SQLite: changes are statements of the batch that holds their request's own
-- row, whose body is the answer; reads are answered by the same commit, so that a run
-- reads what it wrote.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local statements = require "orchlua.store.statements"
local where = require "orchlua.store.where"

local json, value = core.json, core.value
local null = value.null

local M = {}

local function add_changed_row(store, lease, row, number, previous, tag)
  local request = row.entity
  local statement = request.action == "delete" and store.statements.deleted_row or store.statements.changed_row
  store.db:add(statement, tag, number, previous, lease.number, row.seq, row.time, row.request, row.name,
    json.encode(request.type), json.encode(request.id), row.branch, row.line, request.type, request.id)
end

local changes = {}

function changes.delete(store, request)
  store.db:add(store.statements.entity_delete, 0, request.type, request.id)
end

for _, action in ipairs { "create", "replace" } do
  changes[action] = function(store, request)
    store.db:add(store.statements["entity_" .. action], 0, request.type, request.id, json.encode(request.properties), json.encode(request.time))
  end
end

-- Bytes of an entity's JSON besides its type, its id and its properties, at most.
local FRAME = 128

function changes.update(store, request)
  local room = (request.most or math.maxinteger) - #json.encode(request.type) - #json.encode(request.id) - FRAME
  store.db:add(store.statements.entity_update, 0, request.type, request.id, json.encode(request.properties), json.encode(request.time), room)
end

--- Puts what a request asks of entities into the batch, with the request's own row; the
--- commit gives its answer. One that only reads has a row like any other.
---@return boolean done   the row is in the batch
---@param row table   of the journal; `row.entity` is the request: `{action, type, id, properties, where, time, most}`; `most` bytes an update may make of it
function M.append(store, lease, row, number, previous)
  local request = row.entity
  store.asked[#store.asked + 1] = { lease = lease, request = request, rows = {} }
  local change = changes[request.action]
  if change then
    change(store, request)
    add_changed_row(store, lease, row, number, previous, #store.asked)
    return true
  end
  if request.action == "get" then
    store.db:add(store.statements.entity_get, #store.asked, json.encode(request.type), json.encode(request.id), request.type, request.id)
  else
    store.db:add(store.statements.entity_query, #store.asked, request.type)
  end
  return false
end

local function entity_of(type_name, row)
  return value.object {
    "type", "id", "properties", "created_at", "updated_at", type = type_name, id = row[2], properties = json.decode(row[3]),
    created_at = json.decode(row[4]), updated_at = json.decode(row[5]),
  }
end

--- The answer of a request, from the rows that its commit gave.
---@param asked { request: table, rows: table[] }
---@return { value: any, error: orchlua.Error? }
function M.answer(asked)
  local request, rows = asked.request, asked.rows
  if request.action == "query" then
    local found = value.array {}
    for _, row in ipairs(rows) do
      local entity = entity_of(request.type, row)
      if where.matches(entity.properties, request.where) then found[#found + 1] = entity end
    end
    return { value = found }
  end
  local body = rows[1] and rows[1][2]
  if request.action == "create" and body == nil then
    return { error = errors.new("entity", ("the entity %s/%s exists already"):format(request.type, request.id)) }
  end
  if request.action == "update" and body == nil then
    return { error = errors.new("limit", ("the entity %s/%s would be larger than %d bytes, and is left as it was (limits.row)"):format(
      request.type, request.id, request.most)) }
  end
  if body == nil then return { value = null } end
  return { value = (json.decode(body)) }
end

--- What became of a request about entities that was in flight when its run was left:
--- the answer of its row, or, when it only reads, a new one.
---@return { value: any, error: orchlua.Error? }? answer, orchlua.Error? err
function M.answered(store, lease, request)
  if changes[request.action] then
    local rows, err = store:query(statements.chain .. [[SELECT body FROM chain JOIN journal ON journal.number = chain.number
      WHERE kind = 'request' AND request = ?3 LIMIT 1]], lease.last_row, 0, request.number)
    if not rows then return nil, err end
    return M.answer { request = request, rows = { { nil, rows[1] and rows[1].body } } }
  end
  local rows, err = store:query([[SELECT id, properties, created_at, updated_at FROM entity
    WHERE type = ?1 AND (?2 IS NULL OR id = ?2) ORDER BY number]], request.type, request.id)
  if not rows then return nil, err end
  local list = {}
  for i, row in ipairs(rows) do list[i] = { nil, row.id, row.properties, row.created_at, row.updated_at } end
  if request.action == "query" then return M.answer { request = request, rows = list } end
  return { value = list[1] and entity_of(request.type, list[1]) or null }
end

return M
