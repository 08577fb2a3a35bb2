-- Self-improving: works through its tasks again and again, measures each time how well that went, tunes the
-- parameters of its strategy, and changes the strategy when it goes worse.
--
--   EVENT pattern:self_improving {tasks: tasks, agent: "worker", strategies: {quick: {cutoff: 4}, careful: {cutoff: 64}}} AS done
--   RETURN done.best

local orchlua = require "orchlua"
local patterns = require "orchlua.patterns"

-- The agent gets the strategy's parameters in its data; a strategy may say `parallelism` and `timeout` itself.
local function work(flow, p, strategy, params)
  return flow:parallel(p.tasks, { limit = tonumber(params.parallelism) and math.max(1, math.floor(params.parallelism)) }, function(task)
    local timeout = tonumber(params.timeout)
    local reply = flow:ask(p.agent, patterns.fill(p.prompt, { task = task, strategy = strategy, params = params }), {
      timeout = timeout and timeout > 0 and timeout or nil, strategy = strategy, params = params,
    })
    return { success = reply.success == true, score = tonumber(reply[p.score]) }
  end)
end

local function measured(results)
  local succeeded, sum, scored = 0, 0, 0
  for _, result in ipairs(results) do
    if result.success == true then succeeded = succeeded + 1 end
    if type(result.score) == "number" then sum, scored = sum + result.score, scored + 1 end
  end
  local rate = #results > 0 and succeeded / #results or 0
  return rate, scored > 0 and sum / scored or nil
end

-- How well it went: the agents' own score, less for those that failed; without scores the share that succeeded.
local function iterate(flow, p, number, strategy, params)
  local from = flow:now()
  local rate, quality = measured(work(flow, p, strategy, params))
  local score = quality and quality * rate or rate
  return orchlua.object {
    { "iteration", number }, { "strategy", strategy }, { "params", params }, { "duration", flow:now() - from },
    { "success_rate", rate }, { "quality", quality or orchlua.null }, { "score", score },
  }
end

local function best_of(history, better)
  local found
  for _, entry in ipairs(history) do
    if not found or better(entry.score, found.score) then found = entry end
  end
  return found
end

local function higher(a, b) return a > b end
local function lower(a, b) return a < b end

-- The strategy that was never tried, else the one with the best entry.
local function other_strategy(strategies, history, current)
  for _, name in ipairs(strategies) do
    local tried = false
    for _, entry in ipairs(history) do tried = tried or entry.strategy == name end
    if not tried then return name end
  end
  local best = best_of(history, higher)
  return best.strategy ~= current and best.strategy or nil
end

-- With one set of parameters measured there is nothing to learn from yet: the first number takes a step.
local function first_step(flow, params)
  local changed = orchlua.object()
  local stepped = false
  for _, name in ipairs(params) do
    local v = params[name]
    if not stepped and type(v) == "number" then
      local step = math.max(math.abs(v) * 0.25, math.type(v) == "integer" and 1 or 0.1) * (flow:random() < 0.5 and -1 or 1)
      v, stepped = math.type(v) == "integer" and math.floor(v + step + 0.5) or v + step, true
    end
    orchlua.set(changed, name, v)
  end
  return changed
end

-- The next parameters of the strategy in use.
local function tuned(flow, history, params)
  local advice = flow:event("optimization:async", { component = "self_improving", method = "incremental", current_performance = history })
  if advice.success == true then return advice.optimized_params end
  return first_step(flow, params)
end

local function improve(flow, p, history, strategies, current)
  local last, best = history[#history], best_of(history, higher)
  if last.score < best.score - p.threshold * math.max(1e-9, math.abs(best.score)) and best.strategy ~= current or last.score == 0 then
    local other = other_strategy(strategies, history, current)
    if other then
      flow:emit("agent:status", { status = "strategy_change", reason = "performance_degradation", old_strategy = current, new_strategy = other })
      return other
    end
  end
  orchlua.set(strategies, current, tuned(flow, history, strategies[current]))
  return current
end

return {
  name = "self_improving",
  summary = "Works through its tasks again and again, measures how well that went, and tunes its strategy.",
  params = {
    tasks = { "array", description = "what is done in every iteration" },
    agent = { "string", default = "worker", description = "who does it; the parameters of the strategy are in its data, under `params`" },
    prompt = { "string", default = "Execute: {task}", description = "{task}, {strategy}, {params}, {params.NAME}" },
    strategies = { "object", description = "by name the parameters, numbers, that may be tuned" },
    initial = { "string", optional = true, description = "the strategy to begin with; the first one by default" },
    iterations = { "integer", default = 5, description = "how often" },
    threshold = { "number", default = 0.2, description = "how much worse than the best, as a share, it must get for another strategy to be tried" },
    score = { "string", default = "quality_score", description = "the field of a reply that says how good it is" },
  },

  --- Gives {history, best, worst, improvement, strategies}: every iteration with its strategy, params and score; the best and the worst of
  --- them; how much better the best is than the first; the strategies as they ended.
  run = function(flow, p)
    local strategies, current = p.strategies, p.initial or p.strategies[1]
    if #strategies == 0 then error { type = "pattern", message = "pattern self_improving: `strategies` is empty" } end
    if not strategies[current] then error { type = "pattern", message = ("pattern self_improving: `initial` is no strategy: %s"):format(current) } end
    flow:track { pattern = "self_improving", initial_strategy = current }
    local history = orchlua.array {}
    for number = 1, p.iterations do
      history[number] = iterate(flow, p, number - 1, current, strategies[current])
      flow:emit("agent:progress", { iteration = number, score = history[number].score, progress_percent = 100 * number / p.iterations })
      if number < p.iterations then current = improve(flow, p, history, strategies, current) end
    end
    local best = best_of(history, higher)
    return {
      history = history, best = best, worst = best_of(history, lower),
      improvement = best and best.score - history[1].score or 0, strategies = strategies,
    }
  end,
}
