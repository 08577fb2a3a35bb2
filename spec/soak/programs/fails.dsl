# Fails, each run in one of four ways, after some work.
INPUT n
INPUT tasks
FOREACH task IN tasks:
  EVENT completion:async {agent_id: task.agent, prompt: "{{task.fate}} {{task.value}}", timeout: task.timeout, retries: task.retries, on_error: "return"} AS r
STATE nothing = null
SWITCH n % 4:
  CASE 0: FAIL {type: "soak", message: "on purpose"}
  CASE 1: STATE x = nothing.field
  CASE 2: STATE x = 1 / 0
  DEFAULT:
    EVENT completion:async {agent_id: "lua", prompt: "fail 0"} AS r
RETURN "never"
