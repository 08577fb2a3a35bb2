-- Scatter-gather: items are shared out to agents, side by side, and what comes back is put together.
--
--   EVENT pattern:scatter_gather {items: documents, agents: ["ada", "grace"], prompt: "Analyse {item}", synthesizer: "editor"} AS done

local orchlua = require "orchlua"
local patterns = require "orchlua.patterns"

-- The quorum as a number of items: all of them, a count, or a share below 1.
local function needed(quorum, total)
  if quorum == nil then return total end
  if quorum < 1 then return math.ceil(quorum * total) end
  return math.min(quorum, total)
end

local function ask(flow, p, item, index)
  local agent = p.agents[(index - 1) % #p.agents + 1]
  local reply = flow:ask(agent, patterns.fill(p.prompt, { item = item, index = index }), { timeout = p.timeout })
  return { item = item, agent = agent, success = reply.success, output = reply.output, error = reply.error }
end

local function sorted_out(results)
  local gathered, failed = orchlua.array {}, orchlua.array {}
  for _, result in ipairs(results) do
    local list = result.success == true and gathered or failed
    list[#list + 1] = result
  end
  return gathered, failed
end

local function outputs(results)
  local list = orchlua.array {}
  for i, result in ipairs(results) do list[i] = result.output end
  return list
end

-- One answer of all; when the synthesizer fails, what was gathered is kept, and its error told.
local function synthesize(flow, p, gathered)
  local ok, reply = flow:try(function()
    return flow:ask(p.synthesizer, patterns.fill("Create one answer of: {outputs}", { outputs = outputs(gathered) }), { timeout = p.timeout })
  end)
  if ok then return reply.output end
  return orchlua.null, { type = reply.type, message = reply.message }
end

return {
  name = "scatter_gather",
  summary = "Items are shared out to agents side by side, and what comes back is put together.",
  params = {
    items = { "array", description = "what there is to do" },
    agents = { "array", description = "who does it, in turns" },
    prompt = { "string", default = "{item}", description = "{item} is the item, {index} its number from 1" },
    limit = { "integer", optional = true, description = "at most so many at a time" },
    timeout = { "number", optional = true, description = "seconds for each" },
    quorum = { "number", optional = true, description = "how many must succeed: a count, or a share below 1; all of them by default" },
    synthesizer = { "string", optional = true, description = "an agent that makes one answer of all" },
  },

  --- Gives {output, results, gathered, total, failed}: the synthesizer's answer, or the list of answers, null below the
  --- quorum; all results in the items' order; how many came back; how many there were; those that failed. When the
  --- synthesizer fails, `output` is null and `synthesizer_error` says why.
  run = function(flow, p)
    if #p.agents == 0 then error { type = "pattern", message = "pattern scatter_gather: `agents` is empty" } end
    flow:track { pattern = "scatter_gather", items = #p.items }
    local done = 0
    local results = flow:parallel(p.items, { limit = p.limit }, function(item, index)
      local result = ask(flow, p, item, index)
      done = done + 1
      flow:emit("agent:progress", { gathered = done, total = #p.items, progress_percent = 100 * done / #p.items })
      return result
    end)
    local gathered, failed = sorted_out(results)
    local output, err = orchlua.null, nil
    if #gathered < needed(p.quorum, #p.items) then
      flow:emit("agent:status", { status = "partial_completion", message = ("Gathered %d of %d"):format(#gathered, #p.items) })
    elseif p.synthesizer then
      output, err = synthesize(flow, p, gathered)
    else
      output = outputs(gathered)
    end
    return { output = output, results = results, gathered = #gathered, total = #p.items, failed = failed, synthesizer_error = err }
  end,
}
