# Replies of a shape: an agent that speaks nonsense is asked once more.
INPUT n
INPUT tasks
STATE log = []
PARALLEL(limit: 2):
  FOREACH task IN tasks:
    TRY:
      EVENT completion:async {agent_id: task.agent, prompt: "{{task.fate}} {{task.value}}", timeout: task.timeout, retries: task.retries, schema: {type: "object", required: ["value"]}} AS r
      APPEND log "{{task.i}} {{r.value}}"
    CATCH e:
      APPEND log "{{task.i}} failed"
RETURN log
