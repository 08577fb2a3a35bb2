-- Readers are a small model, the judge a larger one. Any provider will do: see docs/models.md.
return {
  agents = {
    judge = { openai = { model = "gpt-4o" }, system = "You are a careful editor.", price = { input = 2.5, output = 10 } },
    ["*"] = { openai = { model = "gpt-4o-mini" }, system = "You read texts for {agent_id}, and for nothing else.", stream = true,
      price = { input = 0.15, output = 0.6 } },
  },
}
