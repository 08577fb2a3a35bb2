INPUT n = 3
STATE o = {}
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
