# One task after the other, each in a TRY: what fails is caught, and goes on.
INPUT n
INPUT tasks
INPUT fail = false
STATE log = []
STATE finals = 0
FOREACH task IN tasks:
  TRY:
    EVENT completion:async {agent_id: task.agent, prompt: "{{task.fate}} {{task.value}}", timeout: task.timeout, retries: task.retries} AS r
    APPEND log "{{task.i}} {{r?.value == null ? "broken" : r.value}}"
  CATCH e:
    APPEND log "{{task.i}} failed"
  FINALLY:
    UPDATE finals = finals + 1
  WAIT 0.05
IF fail: FAIL "on purpose"
APPEND log "finals {{finals}}"
RETURN log
