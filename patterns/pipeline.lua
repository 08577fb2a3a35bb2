-- Pipeline: stages in a row, each given what the one before it made.
--
--   EVENT pattern:pipeline {stages: ["collection", "cleaning"], input: "sales.csv"} AS done
--   RETURN done.output

local orchlua = require "orchlua"
local patterns = require "orchlua.patterns"

-- A stage is a name, or {name, agent, prompt, timeout}.
local function stage_of(given, number)
  if type(given) == "string" then given = { name = given } end
  if type(given) ~= "table" or type(given.name) ~= "string" then
    error { type = "pattern", message = ("pattern pipeline: stage %d is a name, or an object with a `name`"):format(number) }
  end
  return {
    name = given.name, agent = given.agent or given.name .. "_agent", timeout = given.timeout,
    prompt = given.prompt or (number == 1 and "Execute {stage} stage: {input}" or "Execute {stage} stage using results: {input}"),
  }
end

-- A failed stage raises its error, with what the stages before it made.
local function failed(stage, err, results)
  error {
    type = err.type, message = ("stage `%s`: %s"):format(stage.name, err.message), hint = err.hint, status = err.status, stage = stage.name,
    results = results,
  }
end

local function run_stage(flow, stage, number, total, input, results)
  flow:emit("agent:status", { status = "stage_starting", stage = stage.name, stage_number = number })
  local prompt = patterns.fill(stage.prompt, { stage = stage.name, input = input, results = results })
  local ok, reply = flow:try(function() return flow:ask(stage.agent, prompt, { timeout = stage.timeout }) end)
  if not ok then failed(stage, reply, results) end
  flow:emit("agent:progress", { stage = stage.name, progress_percent = 100 * number / total })
  return reply
end

return {
  name = "pipeline",
  summary = "Stages in a row, each given what the one before it made.",
  params = {
    stages = { "array", description = "names, or {name, agent, prompt, timeout}; the agent of a name is NAME_agent" },
    input = { "any", default = "", description = "what the first stage is given" },
    aggregator = { "string", optional = true, description = "an agent that is given all results at the end" },
  },

  --- Gives {output, results, stages}: the last stage's output or the aggregator's; the outputs by stage; each stage's name, agent, duration.
  run = function(flow, p)
    local stages, results, told = {}, orchlua.object(), orchlua.array {}
    for i, given in ipairs(p.stages) do stages[i] = stage_of(given, i) end
    flow:track { pattern = "pipeline", total_stages = #stages }
    local output = p.input
    for i, stage in ipairs(stages) do
      local reply = run_stage(flow, stage, i, #stages, output, results)
      output = reply.output
      orchlua.set(results, stage.name, output)
      told[i] = { name = stage.name, agent = stage.agent, duration = reply.duration, attempts = reply.attempts }
    end
    if p.aggregator then
      local prompt = patterns.fill("Synthesize pipeline results: {results}", { results = results })
      local ok, reply = flow:try(function() return flow:ask(p.aggregator, prompt) end)
      if not ok then failed({ name = "aggregator" }, reply, results) end
      output = reply.output
    end
    return { output = output, results = results, stages = told }
  end,
}
