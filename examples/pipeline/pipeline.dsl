## Pipeline: a sales report from a dirty CSV file
# Four programs, each of which takes what the one before it made.

INPUT source = "data/sales.csv"

STATE stages = ["collect", "clean", "analyse", "report"]
STATE handed_on = source
STATE stage_results = {}

TRACK {pattern: "pipeline", total_stages: stages.length}

FOREACH stage IN stages:
  EVENT agent:status {status: "stage_starting", stage: stage, stage_number: FOREACH_INDEX + 1}

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

TRACK stage_results
RETURN handed_on
