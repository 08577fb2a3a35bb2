## Self-improving: find the best cutoff of a merge sort
# A merge sort hands short pieces to an insertion sort; how short is the parameter.
# Each iteration sorts real words with it, counts the work, and lets the optimizer
# propose the next cutoff.

INPUT iterations = 8
STATE cutoff = 120
STATE performance_history = []

TRACK {pattern: "self_improving", initial_cutoff: cutoff}

FOREACH iteration IN RANGE(iterations):
  STATE results = []
  PARALLEL(limit: 3):
    FOREACH part IN RANGE(3):
      EVENT completion:async {agent_id: "sorter", prompt: "Sort a third of the words", part: part, cutoff: cutoff, timeout: 10} AS result
      APPEND results result

  STATE work = SUM(FILTER(results, r => r.success), r => r.work)
  APPEND performance_history {
    iteration: iteration,
    strategy: "merge",
    params: {cutoff: cutoff},
    score: -work,
    sorted: ALL(results, r => r.sorted)
  }
  EVENT agent:status {
    status: "measured",
    cutoff: cutoff,
    work: work,
    progress_percent: (iteration + 1) / iterations * 100
  }

  EVENT optimization:async {
    component: "merge_sort",
    method: "incremental",
    current_performance: performance_history
  } AS optimization_result

  IF optimization_result.success:
    UPDATE cutoff = MAX(2, optimization_result.optimized_params.cutoff)
  ELSE:
    UPDATE cutoff = ROUND(cutoff / 2)

STATE first = performance_history[0]
STATE best = MAX(performance_history, p.score)
STATE steps = MAP(performance_history, p => FORMAT("  cutoff {}: {} steps", p.params.cutoff, -p.score))
RETURN """
  Best cutoff {{best.params.cutoff}}: {{ROUND((1 - best.score / first.score) * 100, 1)}} % less work than with {{first.params.cutoff}}.
  {{JOIN(steps, "\n")}}
  """
