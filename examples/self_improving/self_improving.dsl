## Self-improving: which sort, and with which setting, does the least work?
# Each iteration sorts real words with one strategy and one value of its parameter,
# and counts the work. When the experiments planned are done, the optimizer looks at
# the best strategy's history and proposes the next.

INPUT iterations = 12

# Both hand pieces no longer than the cutoff to an insertion sort.
STATE strategies = {
  "merge": [{cutoff: 100}, {cutoff: 50}],
  "quick": [{cutoff: 100}, {cutoff: 50}]
}
STATE experiments = []
STATE performance_history = []

FOREACH strategy, settings IN strategies:
  FOREACH setting IN settings:
    APPEND experiments {strategy: strategy, params: setting}

TRACK {pattern: "self_improving", strategies: KEYS(strategies), iterations: iterations}

## Measure and improve
FOREACH iteration IN RANGE(iterations):
  STATE experiment = experiments.shift()

  # An experiment that fails or takes too long is worth nothing; the run goes on.
  TRY:
    EVENT completion:async {
      agent_id: experiment.strategy + "_sorter",
      prompt: "Sort the words",
      params: experiment.params,
      timeout: 10
    } AS result
    APPEND performance_history {
      iteration: iteration,
      strategy: experiment.strategy,
      params: experiment.params,
      score: -result.work
    }
  CATCH e:
    EVENT agent:status {status: "experiment_failed", strategy: experiment.strategy, params: experiment.params, reason: e.message}

  IF experiments.length == 0:
    STATE best = MAX(performance_history, p.score)
    EVENT optimization:async {
      component: best.strategy,
      method: "incremental",
      current_performance: FILTER(performance_history, p => p.strategy == best.strategy)
    } AS proposal
    APPEND experiments {
      strategy: best.strategy,
      params: proposal.success ? proposal.optimized_params : best.params
    }

  EVENT agent:status {
    status: "measured",
    strategy: experiment.strategy,
    params: experiment.params,
    progress_percent: (iteration + 1) / iterations * 100
  }

## Report
STATE first = performance_history[0]
STATE winner = MAX(performance_history, p.score)
STATE steps = MAP(performance_history, p => FORMAT("  {} {}: {} steps", p.strategy, JSON.stringify(p.params), -p.score))
RETURN """
  Best: {{winner.strategy}} {{winner.params}}, {{ROUND((1 - winner.score / first.score) * 100, 1)}} % less work than the first try.
  {{JOIN(steps, "\n")}}
  """
