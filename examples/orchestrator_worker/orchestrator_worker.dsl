## Orchestrator-worker: a pool of compilers
# Tasks go to whichever worker is idle, the largest first. A task that fails is
# recorded with its reason and does not stop the others.

INPUT folder = "src"

STATE workers = ["worker_1", "worker_2"]
STATE task_of = {}
STATE compiled = []
STATE failed = []

## Find the work
EVENT completion:async {agent_id: "scout", prompt: folder, timeout: 10} AS found
STATE task_queue = SORT(found.files, f.bytes DESC)
STATE total = task_queue.length
FOREACH worker IN workers:
  UPDATE task_of[worker] = null

TRACK {pattern: "orchestrator_worker", tasks: total, workers: workers.length}

## Compile
WHILE task_queue.length > 0 OR ANY(task_of, t != null):
  # Give the idle workers something to do.
  FOREACH worker IN workers:
    IF task_of[worker] == null AND task_queue.length > 0:
      UPDATE task_of[worker] = task_queue.shift()
      EVENT completion:async {agent_id: worker, prompt: task_of[worker].path, timeout: 15}

  # The first to be ready, whoever it is. A compiler that fails is a reply, too.
  AWAIT completion FROM ANY(workers) TIMEOUT 20:
    STATE task = task_of[completion.agent_id]
    UPDATE task_of[completion.agent_id] = null
    IF completion.success:
      APPEND compiled {file: task.path, source: task.bytes, code: completion.code}
    ELSE:
      # Of all that the compiler wrote, the line that says what is wrong.
      STATE reason = completion.error.message
      APPEND failed {file: task.path, reason: FIND(SPLIT(reason, "\n"), l => CONTAINS(l, "error:")) || reason}

    EVENT agent:status {
      status: "progress",
      finished: compiled.length + failed.length,
      remaining: task_queue.length,
      progress_percent: (compiled.length + failed.length) / total * 100
    }
  TIMEOUT:
    FAIL "no worker answered"

## Report
STATE lines = MAP(SORT(compiled, c.file), c => FORMAT("  {}: {} bytes of source, {} of code", c.file, c.source, c.code))
IF failed.length > 0:
  APPEND lines "Failed:"
  FOREACH failure IN SORT(failed, f => f.file):
    APPEND lines "  {{failure.reason}}"

RETURN """
  Compiled {{compiled.length}} of {{total}} files:
  {{JOIN(lines, "\n")}}
  """
