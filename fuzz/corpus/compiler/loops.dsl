STATE total = 0
FOREACH i IN RANGE(10):
  IF i % 2 == 0: CONTINUE
  FOREACH key, item IN {a: 1}:
    UPDATE total = total + item
  IF total > 5:
    BREAK
WHILE total > 0 AND NOT false:
  UPDATE total = total - 1
