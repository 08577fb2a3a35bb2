STATE x = 1
EVENT completion:async {agent_id: "a", prompt: x} AS reply
EVENT agent:status {status: reply.output}
WAIT x
AWAIT m FROM ANY(["a", "b"]) TIMEOUT 5:
  UPDATE x = m
TIMEOUT:
  RETURN null
