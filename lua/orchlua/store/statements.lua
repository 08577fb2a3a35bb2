-- The statements of batches: what a driver writes for its runs. `?` are bound in order.

-- An entity as JSON, exactly as it was written.
local ENTITY = [['{"type":' || ?8 || ',"id":' || ?9 || ',"properties":' || properties || ',"created_at":' || created_at ||
  ',"updated_at":' || updated_at || '}']]

local REQUEST = [[INSERT INTO journal (run, seq, kind, time, request, name, branch, line, body)
  SELECT ?1, ?2, 'request', ?3, ?4, ?5, ?6, ?7, ]]

return {
  -- Guards: whether this driver still holds the run; whether the id was free.
  held = "SELECT 1 FROM run WHERE number = ?1 AND fence = ?2",
  always = "SELECT 1",
  create = [[INSERT INTO run (number, id, program, title, parent, status, options, created, changed, driver, fence)
    VALUES (?1, ?2, ?3, ?4, ?5, 'running', ?6, ?7, ?7, ?8, 1) ON CONFLICT (id) DO NOTHING RETURNING 1]],

  row = [[INSERT INTO journal (run, seq, kind, time, request, name, branch, line, attempt, duration, body, error, usage, readings)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)]],
  rest = "UPDATE run SET status = ?2, changed = ?3, due = ?4, steps = ?5, outcome = ?6, driver = CASE WHEN ?7 THEN NULL ELSE driver END WHERE number = ?1",
  taken = "DELETE FROM message WHERE number = ?1",
  renew = "UPDATE driver SET renewed = ?2 WHERE number = ?1",

  snapshot = [[INSERT INTO snapshot (run, seq, body) VALUES (?1, ?2, CAST(?3 AS BLOB))
    ON CONFLICT (run) DO UPDATE SET seq = excluded.seq, body = excluded.body]],
  -- Behind a snapshot: long bodies are cut, and what is older than the history is let go.
  cut = "UPDATE journal SET body = substr(body, 1, ?4) WHERE run = ?1 AND seq > ?2 AND seq <= ?3 AND length(body) > ?4",
  thin = "DELETE FROM journal WHERE run = ?1 AND seq <= ?2",

  entity_create = [[INSERT INTO entity (type, id, properties, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT DO NOTHING]],
  entity_update = [[INSERT INTO entity (type, id, properties, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)
    ON CONFLICT (type, id) DO UPDATE SET properties = merge(properties, excluded.properties), updated_at = excluded.updated_at]],
  entity_replace = [[INSERT INTO entity (type, id, properties, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)
    ON CONFLICT (type, id) DO UPDATE SET properties = excluded.properties, updated_at = excluded.updated_at]],
  entity_delete = "DELETE FROM entity WHERE type = ?1 AND id = ?2",
  -- The request's row with what became of it: written with the change itself.
  changed_row = REQUEST .. "CASE WHEN changes() > 0 THEN (SELECT " .. ENTITY .. " FROM entity WHERE type = ?10 AND id = ?11) END RETURNING body",
  deleted_row = REQUEST .. "CASE WHEN changes() > 0 THEN 'true' ELSE 'false' END RETURNING body",
  entity_get = "SELECT " .. ENTITY:gsub("%?8", "?1"):gsub("%?9", "?2") .. " FROM entity WHERE type = ?3 AND id = ?4",
  entity_query = "SELECT id, properties, created_at, updated_at FROM entity WHERE type = ?1 ORDER BY number",
}
