-- Hand-off: an agent works on a task, and hands it on to another until one keeps it.
--
--   EVENT pattern:handoff {task: complaint, agents: ["desk", "expert", "manager"]} AS done

local orchlua = require "orchlua"
local patterns = require "orchlua.patterns"

local ASK = "{task}\nWork so far: {notes}\nWhen another should go on, answer with JSON: {\"handoff\": one of {agents}, \"note\": …}. Else give the answer."

local function is_among(list, wanted)
  for _, name in ipairs(list) do
    if name == wanted then return true end
  end
  return false
end

return {
  name = "handoff",
  summary = "An agent works on a task, and hands it on to another until one keeps it.",
  params = {
    task = { "any", description = "what is to be done" },
    agents = { "array", description = "who may get it; the first begins" },
    max_handoffs = { "integer", default = 5, description = "how often it may be handed on" },
    timeout = { "number", optional = true, description = "seconds for each answer" },
  },

  --- Gives {output, agent, path}: the answer, who gave it, and through whose hands it went. Handed on too often, it is an error.
  run = function(flow, p)
    local agent, path, notes = p.agents[1], orchlua.array {}, orchlua.array {}
    for _ = 0, p.max_handoffs do
      path[#path + 1] = agent
      flow:emit("agent:status", { status = "working", agent = agent })
      local prompt = patterns.fill(ASK, { task = p.task, notes = notes, agents = p.agents })
      local reply = flow:ask(agent, prompt, { timeout = p.timeout })
      if not is_among(p.agents, reply.handoff) then return { output = reply.output, agent = agent, path = path } end
      notes[#notes + 1] = { from = agent, note = reply.note }
      agent = reply.handoff
    end
    error { type = "pattern", message = ("the task was handed on more than %d times"):format(p.max_handoffs), path = path }
  end,
}
