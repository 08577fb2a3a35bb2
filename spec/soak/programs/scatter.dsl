# All tasks side by side, three at a time: what fails is data.
INPUT n
INPUT tasks
STATE log = []
PARALLEL(limit: 3):
  FOREACH task IN tasks:
    EVENT completion:async {agent_id: task.agent, prompt: "{{task.fate}} {{task.value}}", timeout: task.timeout, retries: task.retries} AS r
    IF NOT r.success:
      APPEND log "{{task.i}} failed"
    ELSE:
      APPEND log "{{task.i}} {{r.value == null ? "broken" : r.value}}"
  BRANCH clock:
    WAIT 0.1
    APPEND log "clock"
RETURN log
