-- The agents, events and functions of the examples in docs/language.md. They are
-- Lua functions, so that the examples need nothing and give the same every time.

return {
  agents = {
    echo = function(request) return request.prompt end,
    ada = function() return { vote = "approve", reason = "it is short" } end,
    grace = function() return { vote = "reject", reason = "it has no tests" } end,
    slow = { lua = function() return "done at last" end, latency = 8 },
    broken = function() error("out of order", 0) end,
    flaky = function(request)
      if request.attempt < 3 then error("busy", 0) end
      return "worked on try " .. request.attempt
    end,
    ["worker_*"] = { lua = function(request) return request.agent_id .. " did " .. request.prompt end, latency = 2 },
  },
  events = {
    ["evaluation:run"] = function(data) return { score = #data.text / 10 } end,
  },
  functions = {
    SCORE = function(text) return #text * 10 end,
  },
}
