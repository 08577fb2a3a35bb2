STATE out = []
PARALLEL(limit: 2):
  FOREACH who IN ["a", "b"]:
    EVENT completion:async {agent_id: who, prompt: ""} AS r
    APPEND out r
  BRANCH the other {{out.length}}:
    WAIT 1
