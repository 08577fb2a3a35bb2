# Sends all tasks, then takes the replies as they come, however often the wait times out.
INPUT n
INPUT tasks
STATE log = []
STATE late = 0
FOREACH task IN tasks:
  EVENT completion:async {agent_id: task.agent, task_id: "{{task.i}}", prompt: "{{task.fate}} {{task.value}}", timeout: task.timeout, retries: task.retries}
WHILE LENGTH(log) < LENGTH(tasks):
  AWAIT r TIMEOUT 0.2:
    IF NOT r.success:
      APPEND log "{{r.task_id}} failed"
    ELSE:
      APPEND log "{{r.task_id}} {{r.value == null ? "broken" : r.value}}"
  TIMEOUT:
    UPDATE late = late + 1
RETURN log
