# Keeps its account in an entity of its own, and leaves a trace in one that it shares.
INPUT n
INPUT tasks
STATE me = "run-{{RUN_ID()}}"
EVENT state:entity:create {type: "account", id: me, properties: {done: 0, sum: 0}} AS made
FOREACH task IN tasks:
  EVENT completion:async {agent_id: task.agent, prompt: "{{task.fate}} {{task.value}}", timeout: task.timeout, retries: task.retries, on_error: "return"} AS r
  EVENT state:entity:get {type: "account", id: me} AS account
  EVENT state:entity:update {type: "account", id: me, properties: {done: account.properties.done + 1, sum: account.properties.sum + (r.value || 0)}} AS changed
  EVENT state:entity:update {type: "shared", id: "slot-{{n % 8}}", properties: {last: n}}
EVENT state:entity:get {type: "account", id: me} AS account
EVENT state:entity:delete {type: "account", id: me} AS gone
RETURN ["done {{account.properties.done}}", "sum {{account.properties.sum}}", "gone {{gone}}"]
