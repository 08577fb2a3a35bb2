# Sub-runs side by side; one of them may fail of itself.
INPUT n
INPUT children
STATE log = []
PARALLEL(limit: 2):
  FOREACH child IN children:
    TRY:
      EVENT orchestration:run {file: "sequence.dsl", input: {n: n, tasks: child.tasks, fail: child.fail}} AS done
      FOREACH line IN done: APPEND log line
    CATCH e:
      APPEND log e.type
RETURN log
