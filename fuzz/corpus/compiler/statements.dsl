INPUT n = 3
STATE task_queue = [{id: 1, priority: 2}], o = {}
BUDGET {cost: 1, tokens: 100}
SWITCH n:
  CASE 1, 2: APPEND task_queue {id: n}
  DEFAULT:
    UPDATE o.a = SORT(task_queue, task.priority DESC)[0]
TRY:
  FAIL {type: "x", message: 'y\u00e9'}
CATCH e:
  TRACK {e: e.message}
FINALLY:
  WAIT 0.5
WHILE NOT (n > 5) AND true || false:
  SET n = n + 1 * 2 - 3 / 4 % 5
  IF n == 4: BREAK
  ELIF n != 4: CONTINUE
  ELSE: PERSIST kind {key: "k", data: n ? [1] : null}
AWAIT r FROM ANY(["a", "b"]) TIMEOUT 5:
  SEND a "text {{r?.output}}"
  SHARE o WITH b
TIMEOUT:
  RETURN COUNT(task_queue WHERE id == 1)
RETURN REDUCE(task_queue, (x, y) => x + y.id, 0) IN [1, -2.5e3]
