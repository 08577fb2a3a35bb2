-- orchlua's model agents ask a model server that someone else wrote, and that answers by
-- `other.json`. Only `tools/vendors` starts it: where its address is not set, there is
-- nothing to test. Its usage and its errors are its own; where they differ from the
-- vendors' pages, that is said here.

local openai, anthropic = os.getenv "ORCHLUA_OTHER_OPENAI", os.getenv "ORCHLUA_OTHER_ANTHROPIC"
if not openai or not anthropic then return end

local run = require "spec.support.run"
local standin = require "spec.support.models"

local key_file

setup(function() key_file = standin.key_file "sk-other-server" end)

teardown(function() os.remove(key_file) end)

local function agents()
  local function model(base_url) return { base_url = base_url, model = "m", api_key_file = key_file } end
  return {
    o = { openai = model(openai), retries = 0, timeout = 20 }, a = { anthropic = model(anthropic), retries = 0, timeout = 20 },
    l = { ollama = model(anthropic), retries = 0, timeout = 20 },
  }
end

local KINDS = { "o", "a", "l" }

local function ask(agent, prompt, fields)
  return ('EVENT completion:async {agent_id: "%s", prompt: "%s", on_error: "return"%s} AS r\n'):format(agent, prompt, fields or "")
end

local function text(program) return run.text(program, { agents = agents(), real_time = true }) end

describe("a model server that someone else wrote", function()
  it("is understood in all three dialects", function()
    for _, kind in ipairs(KINDS) do assert.equal("Hello from elsewhere.", text(ask(kind, "hello") .. "RETURN r.output")) end
  end)

  it("is understood in pieces", function()
    local long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen é😀"
    for _, kind in ipairs(KINDS) do
      local ended, records = run.run(ask(kind, "long", ", stream: true") .. "RETURN r.output", { agents = agents(), real_time = true })
      local pieces = {}
      for _, record in ipairs(records) do
        if record.type == "delta" then pieces[#pieces + 1] = record.text end
      end
      assert.equal(long, ended.result)
      assert.equal(long, table.concat(pieces))
      assert.is_true(#pieces > 5)
    end
  end)

  it("says its usage", function()
    for _, kind in ipairs { "o", "a" } do assert.equal("[70,8]", text(ask(kind, "hello") .. "RETURN [r.usage.input, r.usage.output]")) end
  end)

  it("is told what an agent remembers", function()
    for _, kind in ipairs(KINDS) do
      assert.equal("Hello from elsewhere.", text(ask(kind, "hello") .. ask(kind, "hello") .. "RETURN r.output"))
    end
  end)

  it("answers with JSON of the shape that was asked for", function()
    local shape = ', schema: {type: "object", properties: {n: {type: "integer"}}, required: ["n"], additionalProperties: false}'
    for _, kind in ipairs(KINDS) do assert.equal("7", text(ask(kind, "json", shape) .. "RETURN r.n")) end
  end)

  it("breaks off, and what had come is kept", function()
    for _, kind in ipairs(KINDS) do
      local ended = run.run(ask(kind, "cut short", ", stream: true") .. "RETURN [r.success, r.error.type, r.error.partial]", { agents = agents(), real_time = true })
      assert.same({ false, "transport" }, { ended.result[1], ended.result[2] })
      -- It closes the connection with pieces still on their way, sometimes all of them.
      local partial = ended.result[3]
      assert.is_true(type(partial) ~= "string" or ("one two three f"):sub(1, #partial) == partial)
    end
  end)

  it("is overloaded, and its own message is told", function()
    for _, kind in ipairs(KINDS) do
      assert.equal("[429,\"the server answered with status 429: Rate limited\"]", text(ask(kind, "overloaded") .. "RETURN [r.error.status, r.error.message]"))
    end
  end)

  it("fails once, and is asked again", function()
    -- It counts how often it was asked, whoever asks: once for all dialects.
    assert.equal('["Now it works.",2]', text(ask("o", "once", ", retries: 2") .. "RETURN [r.output, r.attempts]"))
  end)
end)
