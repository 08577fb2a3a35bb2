# Lasts until it is cancelled; what it holds is let go of in FINALLY.
INPUT n
INPUT agent
STATE me = RUN_ID()
EVENT state:entity:create {type: "held", id: me} AS held
TRY:
  PARALLEL:
    BRANCH asks:
      EVENT completion:async {agent_id: agent, prompt: "hang 0", timeout: 36000} AS r
    BRANCH waits:
      WAIT 36000
FINALLY:
  EVENT state:entity:delete {type: "held", id: me} AS gone
RETURN "never"
