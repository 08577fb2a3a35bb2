## Pipeline: a sales report from a dirty CSV file
# Four ordinary programs in a row: each reads on its standard input what the one
# before it printed. The configuration beside this file says which they are.

INPUT source = "data/sales.csv"

STATE stages = ["collect", "clean", "analyse", "report"]
STATE handed_on = source
STATE stage_results = {}

TRACK {pattern: "pipeline", total_stages: stages.length}

FOREACH stage IN stages:
  EVENT agent:status {status: "stage_starting", stage: stage, stage_number: FOREACH_INDEX + 1}

  # With `AS` the run waits for the reply. A stage that fails stops the run here,
  # with the stage's name and the end of what it wrote to standard error.
  EVENT completion:async {
    agent_id: stage + "_agent",
    prompt: handed_on,
    timeout: 15
  } AS result

  UPDATE handed_on = result.output
  UPDATE stage_results[stage] = {
    lines: SPLIT(result.output, "\n").length,
    seconds: ROUND(result.duration, 3)
  }

  EVENT state:entity:update {
    id: "pipeline_progress",
    properties: {
      current_stage: stage,
      progress_percent: (FOREACH_INDEX + 1) / stages.length * 100
    }
  }

## The report
TRACK stage_results
RETURN handed_on
