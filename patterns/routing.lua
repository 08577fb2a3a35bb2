-- Routing: one agent chooses who answers.
--
--   EVENT pattern:routing {router: "desk", routes: {billing: "money questions", tech: "things that break"}, task: question} AS answer

local patterns = require "orchlua.patterns"

local ASK = "Choose who answers this task: {task}\nThe choices: {routes}\nAnswer with the name alone."

-- The route that the router's answer names: its field `route`, or the first name in its text.
local function chosen(reply, routes)
  if type(reply.route) == "string" and routes[reply.route] then return reply.route end
  local text, best, at = reply.output, nil, math.huge
  for _, name in ipairs(routes) do
    local found = text:find(name, 1, true)
    if found and found < at then best, at = name, found end
  end
  return best
end

return {
  name = "routing",
  summary = "One agent chooses who answers.",
  params = {
    task = { "any", description = "what is to be answered" },
    router = { "string", description = "the agent that chooses" },
    routes = { "object", description = "by agent, what it is for" },
    fallback = { "string", optional = true, description = "who answers when the router fails or chooses nobody" },
    timeout = { "number", optional = true, description = "seconds for each answer" },
  },

  --- Gives {output, agent}: the answer, and who gave it.
  run = function(flow, p)
    local ok, reply = flow:try(function()
      return flow:ask(p.router, patterns.fill(ASK, { task = p.task, routes = p.routes }), { timeout = p.timeout })
    end)
    local agent = ok and chosen(reply, p.routes) or p.fallback
    if not agent then
      error { type = "pattern", message = ok and ("the router chose none of the routes: %s"):format(reply.output) or "the router failed: " .. reply.message }
    end
    flow:emit("agent:status", { status = "routed", agent = agent })
    return { output = flow:ask(agent, p.task, { timeout = p.timeout }).output, agent = agent }
  end,
}
