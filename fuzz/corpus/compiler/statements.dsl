INPUT n = 3
STATE task_queue = [{id: 1, priority: 2}]
STATE o = {}
BUDGET {cost: 1, tokens: 100}
SWITCH n:
  CASE 1, 2: APPEND task_queue {id: n}
  DEFAULT:
    UPDATE o.a = SORT(task_queue, task.priority DESC)[0]
RETURN REDUCE(task_queue, (x, y) => x + y.id, 0) IN [1, -2.5e3]
