STATE o = {}
EVENT completion:async {agent_id: "a", prompt: "x", schema: {type: "object"}}
EVENT state:entity:update {id: "a", properties: {b: 1}} AS e
EVENT pattern:consensus {agents: ["a"]} AS p
AWAIT r FROM ANY(["a", "b"]) TIMEOUT 5:
  SEND a "text {{r?.output}}"
  SHARE o WITH b
TIMEOUT:
  RETURN COUNT([o] WHERE id == 1)
AWAIT {from: "a", timeout: 5} AS m
PARALLEL:
  BRANCH \{{ one {{o}}: AWAIT x FROM ALL(["a"])
