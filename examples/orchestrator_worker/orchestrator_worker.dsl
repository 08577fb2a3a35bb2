## Orchestrator-worker: a pool of compilers
# Tasks go to whichever worker is idle, the largest first. A task that fails is
# recorded with its reason and does not stop the others.

EVENT completion:async {agent_id: "scout", prompt: "src", timeout: 10} AS found
STATE task_queue = SORT(found.files, f.bytes DESC)
STATE workers = ["worker_1", "worker_2"]
STATE task_of = {}
STATE compiled = []
STATE failed = []
STATE total = task_queue.length

TRACK {pattern: "orchestrator_worker", tasks: total, workers: workers.length}

FOREACH worker IN workers:
  UPDATE task_of[worker] = null

WHILE task_queue.length > 0 OR ANY(task_of, t != null):
  # Give the idle workers something to do.
  FOREACH worker IN workers:
    IF task_of[worker] == null AND task_queue.length > 0:
      UPDATE task_of[worker] = task_queue.shift()
      EVENT completion:async {agent_id: worker, prompt: task_of[worker].path, timeout: 15}

  AWAIT completion FROM ANY(workers) TIMEOUT 20:
    STATE task = task_of[completion.agent_id]
    UPDATE task_of[completion.agent_id] = null
    IF completion.success:
      APPEND compiled {file: task.path, source: task.bytes, code: completion.code, worker: completion.agent_id}
    ELSE:
      APPEND failed {file: task.path, reason: completion.error.message}

    EVENT agent:status {
      status: "progress",
      finished: compiled.length + failed.length,
      progress_percent: (compiled.length + failed.length) / total * 100
    }
  TIMEOUT:
    FAIL "no worker answered"

STATE lines = MAP(SORT(compiled, c.file), c => FORMAT("  {}: {} bytes of source, {} of code", c.file, c.source, c.code))
STATE troubles = MAP(failed, f => "  " + f.file + ": " + FIND(SPLIT(f.reason, "\n"), l => CONTAINS(l, "error:")))
RETURN """
  Compiled {{compiled.length}} of {{total}} files:
  {{JOIN(lines, "\n")}}
  Failed:
  {{JOIN(troubles, "\n")}}
  """
