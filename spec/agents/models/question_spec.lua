local core = require "orchlua.core"
local question = require "orchlua.agents.models.question"

local json, value = core.json, core.value

local KINDS = { "openai", "anthropic", "ollama" }

local function dialect_of(kind) return require("orchlua.agents.models." .. kind) end

local function writer(kind, settings)
  local model = { model = "m", fields = {} }
  for name, field in pairs(settings or {}) do model[name] = field end
  return question.writer({ kind = kind, model = model }, dialect_of(kind)), model
end

-- What a dialect makes of all that is asked in one go.
local function in_one_go(kind, model, asked, messages)
  return json.encode(dialect_of(kind).body(model, {
    system = question.system(model, asked.agent_id), messages = messages, max_tokens = question.MOST_OUTPUT, stream = asked.stream,
  }))
end

describe("the JSON of a question", function()
  it("is what its dialect makes of all of it in one go", function()
    for _, kind in ipairs(KINDS) do
      local write, model = writer(kind, { temperature = 0.5, fields = { seed = 1, note = "\"messages\": []" } })
      for _, asked in ipairs {
        { agent_id = "a", prompt = "one \"quoted\"\n\0" }, { agent_id = "a", prompt = "two" }, { agent_id = "b%1", prompt = "" },
        { agent_id = "a", prompt = "in pieces", stream = true },
      } do
        assert.equal(in_one_go(kind, model, asked, { { role = "user", content = asked.prompt } }), write(asked))
      end
    end
  end)

  it("has the exchanges that are remembered, and an answer of the wrong shape", function()
    for _, kind in ipairs(KINDS) do
      local write, model = writer(kind)
      local asked = {
        agent_id = "a", prompt = "third", history = { { prompt = "p1", answer = "a1" }, { prompt = "p2", answer = "a2" } },
        asked_again = { answer = "[]", message = "no" },
      }
      local messages = {}
      for i, content in ipairs { "p1", "a1", "p2", "a2", "third", "[]", "no" } do
        messages[i] = { role = i % 2 == 1 and "user" or "assistant", content = content }
      end
      assert.equal(in_one_go(kind, model, asked, messages), write(asked))
    end
  end)

  it("is the configuration's where that sends messages of its own", function()
    for _, kind in ipairs(KINDS) do
      local write = writer(kind, { system = false, fields = { messages = value.array { "its own" } } })
      for _ = 1, 2 do assert.same({ "its own" }, json.decode(write { agent_id = "a", prompt = "p" }).messages) end
    end
  end)

  it("is right for more agents than are remembered", function()
    local write = writer("openai", { system = "{agent_id}" })
    for i = 1, 2500 do
      local id = "agent " .. i % 1250
      assert.truthy(write({ agent_id = id, prompt = "p", stream = i % 3 == 0 }):find('"' .. id .. '"', 1, true))
    end
  end)
end)
