STATE list = []
STATE shared = {list: list, again: list}
STATE total = 0
STATE first = TIMESTAMP()
FOREACH i IN RANGE(4):
  TRY:
    EVENT completion:async {agent_id: "worker", prompt: "{{i}} {{RANDOM()}} {{TIMESTAMP()}} {{TICK()}}"} AS r
    APPEND shared.list r.output
    STATE h = HERE()
  FINALLY:
    UPDATE total = total + 1
  EVENT state:entity:create {type: "made", id: "m{{i}}", properties: {i: i}}
  EVENT state:entity:update {type: "made", id: "all", properties: {last: i}}
  TRACK {i: i}
  STATE h = HERE()
PARALLEL(limit: 2):
  FOREACH j IN RANGE(3):
    EVENT completion:async {agent_id: "sleeper", prompt: "side {{j}} {{UUID()}}"} AS s
    APPEND list s.seen
    WAIT 0.002
    STATE h = HERE()
  BRANCH fickle:
    EVENT completion:async {agent_id: "fickle", prompt: "try {{RANDOM()}}", retries: 3} AS f
    APPEND list f.output
SEND worker "later {{NOW()}}"
AWAIT m FROM worker TIMEOUT 20:
  APPEND list m.output
STATE h = HERE()
EVENT state:entity:get {type: "made", id: "all"} AS all
EVENT state:entity:query {type: "made"} AS made
WAIT 0.005
STATE h = HERE()
PERSIST made {key: "end", data: {total: total}}
RETURN {length: LENGTH(list), same: LENGTH(shared.again), total: total, last: all.properties.last, made: LENGTH(made), list: list}
