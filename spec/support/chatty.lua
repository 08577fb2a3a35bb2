-- A pattern for the specs that uses every verb of its flow: clock readings and random
-- numbers go into its prompts, so that a replay that changed one would be seen.

local patterns = require "orchlua.patterns"

return {
  name = "spec_chatty",
  params = { agent = "string", times = "integer" },
  run = function(flow, p)
    local count = 0
    for i = 1, p.times do
      flow:track { i = i }
      flow:ask(p.agent, ("chat %d %.17g %.17g"):format(i, flow:random(), flow:now()))
      flow:send(p.agent, ("sent %d %.17g"):format(i, flow:now()))
      local reply = flow:await { from = p.agent, timeout = 10 }
      if reply.success then count = count + 1 end
      flow:wait(0.001)
      local ok = flow:try(function() flow:ask("nobody_" .. i, "x") end)
      if not ok then count = count + 1 end
      flow:emit("state:entity:update", { type = "chat", id = "c", properties = { last = i } })
    end
    local nested = patterns.scatter_gather(flow, { items = { 1, 2 }, agents = { p.agent }, prompt = "nested {item}" })
    local kept = flow:event("state:entity:get", { type = "chat", id = "c" })
    return { count = count, nested = nested.gathered, last = kept.properties.last }
  end,
}
