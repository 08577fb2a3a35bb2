-- A model server that someone else wrote, and that answers by `other.json`. Only
-- `tools/vendors` starts it: where its address is not set, there is nothing to test.

local openai, anthropic = os.getenv "ORCHLUA_OTHER_OPENAI", os.getenv "ORCHLUA_OTHER_ANTHROPIC"
if not openai or not anthropic then return end

local json = require("orchlua.core").json

local function post(url, headers, body)
  local pipe <close> = io.popen(("curl -s %s -d '%s' %s"):format(headers, body, url))
  return assert(json.decode(pipe:read "a"))
end

describe("a model server that someone else wrote", function()
  it("answers a chat completion", function()
    local answer = post(openai .. "/chat/completions", "-H 'Authorization: Bearer k'", '{"model":"m","messages":[{"role":"user","content":"hello"}]}')
    assert.equal("Hello from elsewhere.", answer.choices[1].message.content)
    assert.same({ 70, 8 }, { answer.usage.prompt_tokens, answer.usage.completion_tokens })
  end)

  it("answers messages", function()
    local answer = post(anthropic .. "/v1/messages", "-H 'x-api-key: k' -H 'anthropic-version: 2023-06-01'",
      '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hello"}]}')
    assert.equal("Hello from elsewhere.", answer.content[1].text)
    assert.same({ 70, 8 }, { answer.usage.input_tokens, answer.usage.output_tokens })
  end)
end)
