-- The statements of batches: what a driver writes for its runs. `?` are bound in order. Beside them what queries share.

-- An entity as JSON, exactly as it was written.
local ENTITY = [['{"type":' || ?8 || ',"id":' || ?9 || ',"properties":' || properties || ',"created_at":' || created_at ||
  ',"updated_at":' || updated_at || '}']]

local REQUEST = [[INSERT INTO journal (number, previous, run, seq, kind, time, request, name, branch, line, body)
  SELECT ?1, ?2, ?3, ?4, 'request', ?5, ?6, ?7, ?10, ?11, ]]

-- The chain of a run's rows from ?1 back to the one with seq ?2, which is not in it.
local CHAIN = [[WITH RECURSIVE chain (number, previous, seq) AS (
    SELECT number, previous, seq FROM journal WHERE number = ?1 AND seq > ?2
    UNION ALL SELECT journal.number, journal.previous, journal.seq FROM chain JOIN journal ON journal.number = chain.previous
      WHERE chain.seq > ?2 + 1
  ) ]]
local PART = "number IN (" .. CHAIN .. "SELECT number FROM chain)"

-- A run's row need not name its last row of the journal: it is at most so many numbers
-- behind. So most commits of a run write no page but the journal's own.
local LAG = 1000

-- The last row of a run, in a query of `run`: of those that its row may be behind, if there are any.
local LAST = ([[coalesce((SELECT journal.number FROM journal WHERE journal.number > run.last AND journal.number <= run.last + %d
    AND journal.run = run.number ORDER BY journal.number DESC LIMIT 1), run.last)]]):format(LAG)

local OF_BATCHES = {
  -- Guards: whether this driver still holds the run; whether the id was free.
  held = "SELECT 1 FROM run WHERE number = ?1 AND fence = ?2",
  always = "SELECT 1",
  create = [[INSERT INTO run (number, id, program, title, parent, status, options, created, changed, driver, fence, last)
    VALUES (?1, ?2, (SELECT number FROM program WHERE hash = ?3), ?4, ?5, 'running', ?6, ?7, ?7, ?8, 1, ?9) ON CONFLICT (id) DO NOTHING]],

  program = "INSERT INTO program (hash, name, source, first_line, indent) VALUES (?, ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING",
  taken_over = "UPDATE run SET program = (SELECT number FROM program WHERE hash = ?2), title = ?3, edited = 1 WHERE number = ?1",

  row = [[INSERT INTO journal (number, previous, run, seq, kind, time, request, name, branch, line, attempt, duration, body, error, usage, readings)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)]],
  last_row = "UPDATE run SET last = ?2 WHERE number = ?1",
  rest = [[UPDATE run SET last = ?2, status = ?3, changed = ?4, due = ?5, steps = ?6, outcome = ?7, driver = CASE WHEN ?8 THEN NULL ELSE driver END,
    usage = ?9 WHERE number = ?1]],
  taken = "DELETE FROM message WHERE number = ?1",
  in_time = "SELECT 1 FROM driver WHERE number = ?1 AND renewed > (julianday('now') - 2440587.5) * 86400 - ?2",
  renew = "UPDATE driver SET renewed = ?2 WHERE number = ?1",

  -- A snapshot takes the body of the one before it. Behind it what is long in rows is cut:
  -- bodies, errors, and readings, which only a replay hears. The oldest part of the history is let go.
  forget = "UPDATE snapshot SET body = NULL WHERE run = ?1 AND body IS NOT NULL",
  snapshot = [[INSERT INTO snapshot (run, seq, row, body) VALUES (?1, ?2, ?3, CAST(?4 AS BLOB))
    ON CONFLICT (run, seq) DO UPDATE SET body = excluded.body]],
  cut = [[UPDATE journal SET body = substr(body, 1, ?3), readings = CASE WHEN length(readings) <= ?3 THEN readings END,
    error = CASE WHEN length(error) > ?3 AND json_valid(error) THEN json_object('type', json_extract(error, '$.type'),
      'message', substr(json_extract(error, '$.message'), 1, ?3)) ELSE error END
    WHERE (length(body) > ?3 OR length(readings) > ?3 OR length(error) > ?3) AND ]] .. PART,
  thin = "DELETE FROM journal WHERE " .. PART,
  unmark = "DELETE FROM snapshot WHERE run = ?1 AND seq = ?2",

  entity_create = [[INSERT INTO entity (type, id, properties, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT DO NOTHING]],
  -- No change makes an entity larger than ?5 bytes.
  entity_update = [[INSERT INTO entity (type, id, properties, created_at, updated_at)
    SELECT ?1, ?2, ?3, ?4, ?4 WHERE length(CAST(?3 AS BLOB)) <= ?5
    ON CONFLICT (type, id) DO UPDATE SET properties = merge(properties, excluded.properties), updated_at = excluded.updated_at
    WHERE length(CAST(properties AS BLOB)) + length(CAST(excluded.properties AS BLOB)) <= ?5
      OR length(CAST(merge(properties, excluded.properties) AS BLOB)) <= ?5]],
  entity_replace = [[INSERT INTO entity (type, id, properties, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)
    ON CONFLICT (type, id) DO UPDATE SET properties = excluded.properties, updated_at = excluded.updated_at]],
  entity_delete = "DELETE FROM entity WHERE type = ?1 AND id = ?2",
  -- The request's row with what became of it: written with the change itself.
  changed_row = REQUEST .. "CASE WHEN changes() > 0 THEN (SELECT " .. ENTITY .. " FROM entity WHERE type = ?12 AND id = ?13) END RETURNING body",
  deleted_row = REQUEST .. "CASE WHEN changes() > 0 THEN 'true' ELSE 'false' END WHERE ?12 IS NOT NULL AND ?13 IS NOT NULL RETURNING body",
  entity_get = "SELECT " .. ENTITY:gsub("%?8", "?1"):gsub("%?9", "?2") .. " FROM entity WHERE type = ?3 AND id = ?4",
  entity_query = "SELECT id, properties, created_at, updated_at FROM entity WHERE type = ?1 ORDER BY number",
}

return { of_batches = OF_BATCHES, chain = CHAIN, last = LAST, lag = LAG }
