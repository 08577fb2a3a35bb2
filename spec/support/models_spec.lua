-- The stand-in for language-model servers itself: the wire formats that it speaks,
-- and what its directives make it do.

local core = require "orchlua.core"
local stand_in = require "spec.support.models"

local json, value = core.json, core.value

local paths = { openai = "/v1/chat/completions", anthropic = "/v1/messages", ollama = "/api/chat" }
local keys = {
  openai = { Authorization = "Bearer k" }, anthropic = { ["x-api-key"] = "k", ["anthropic-version"] = "2023-06-01" }, ollama = {},
}

describe("the stand-in for models", function()
  local models
  setup(function() models = stand_in.start() end)
  teardown(function() models.stop() end)
  before_each(function() models.clear() end)

  local function body_of(vendor, text, fields)
    local body = { model = "m", stream = false, messages = { { role = "user", content = text } } }
    if vendor == "anthropic" then body.max_tokens = 9 end
    for name, field in pairs(fields or {}) do body[name] = field end
    return (assert(json.encode(assert(value.from_lua(body)))))
  end

  local function ask(vendor, text, fields, headers, seconds)
    local all = {}
    for name, header in pairs(keys[vendor]) do all[name] = header end
    for name, header in pairs(headers or {}) do all[name] = header end
    local reply = models.ask("POST", paths[vendor], all, body_of(vendor, text, fields), seconds)
    reply.json = reply.body and json.decode(reply.body)
    return reply
  end

  local function stream(vendor, text, fields, seconds)
    local all = { stream = true }
    for name, field in pairs(fields or {}) do all[name] = field end
    return ask(vendor, text, all, nil, seconds)
  end

  local function text_of(vendor, answer)
    if vendor == "openai" then return answer.choices[1].message.content end
    return vendor == "ollama" and answer.message.content or answer.content[1].text
  end

  -- The events of a stream: { name, data }, the data decoded where it is JSON.
  local function events(body)
    local list = {}
    for block in (body:gsub("\r\n", "\n")):gmatch "(.-)\n\n" do
      local name, data = block:match "^event: (%w[%w_]*)" or block:match "\nevent: ([%w_]+)", {}
      for line in (block .. "\n"):gmatch "data: ?(.-)\n" do data[#data + 1] = line end
      if data[1] then list[#list + 1] = { name = name, data = json.decode(table.concat(data, "\n")) or data[1] } end
    end
    return list
  end

  local function names(body)
    local list = {}
    for _, event in ipairs(events(body)) do list[#list + 1] = event.name end
    return table.concat(list, " ")
  end

  local function streamed(body)
    local text = ""
    for _, event in ipairs(events(body)) do
      local choice = event.data.choices and event.data.choices[1]
      text = text .. (choice and choice.delta.content or "")
    end
    return text
  end

  it("answers OpenAI's chat completions, with usage", function()
    local reply = ask("openai", "two words")
    assert.equal(200, reply.status)
    local answer = reply.json
    assert.equal("chat.completion", answer.object)
    assert.same({ "assistant", "echo: two words", "stop" },
      { answer.choices[1].message.role, answer.choices[1].message.content, answer.choices[1].finish_reason })
    assert.same({ 2, 3, 5 }, { answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens })
  end)

  it("streams them, and tells the usage when it is asked to", function()
    local reply = stream("openai", "two words é", { stream_options = { include_usage = true } })
    local list = events(reply.body)
    assert.matches("^text/event%-stream", reply.headers["content-type"])
    assert.equal("assistant", list[1].data.choices[1].delta.role)
    assert.equal("echo: two words é", streamed(reply.body))
    assert.equal("stop", list[#list - 2].data.choices[1].finish_reason)
    assert.equal(0, #list[#list - 1].data.choices)
    assert.equal(3, list[#list - 1].data.usage.prompt_tokens)
    assert.equal("[DONE]", list[#list].data)
    assert.is_nil(stream("openai", "hi").body:find "usage")
  end)

  it("answers Anthropic's messages", function()
    local answer = ask("anthropic", { { type = "text", text = "two " }, { type = "text", text = "words" } }, { system = "be brief" }).json
    assert.same({ "message", "echo: two words", "end_turn", 4, 3 },
      { answer.type, answer.content[1].text, answer.stop_reason, answer.usage.input_tokens, answer.usage.output_tokens })
  end)

  it("streams them as named events", function()
    local body = stream("anthropic", "hi [[pieces 2]] [[usage 70 8]]").body
    assert.equal("message_start content_block_start ping content_block_delta content_block_delta content_block_stop message_delta message_stop", names(body))
    local list = events(body)
    assert.equal(70, list[1].data.message.usage.input_tokens)
    assert.same({ "end_turn", 8 }, { list[7].data.delta.stop_reason, list[7].data.usage.output_tokens })
  end)

  it("answers Ollama's chat, which streams unless told not to", function()
    local answer = ask("ollama", "two words").json
    assert.same({ "echo: two words", true, "stop", 2, 3 },
      { answer.message.content, answer.done, answer.done_reason, answer.prompt_eval_count, answer.eval_count })
    local reply = models.ask("POST", paths.ollama, nil, '{"model":"m","messages":[{"role":"user","content":"hi [[pieces 2]]"}]}')
    local text, last = "", nil
    for line in reply.body:gmatch "(.-)\n" do
      last = json.decode(line)
      text = text .. last.message.content
    end
    assert.same({ "echo: hi", true, "application/x-ndjson" }, { text, last.done, reply.headers["content-type"] })
  end)

  it("refuses what the real servers refuse, in their own shapes", function()
    local unknown = models.ask("POST", paths.openai, nil, body_of("openai", "hi"))
    assert.same({ 401, "invalid_request_error" }, { unknown.status, json.decode(unknown.body).error.type })
    local unversioned = models.ask("POST", paths.anthropic, { ["x-api-key"] = "k" }, body_of("anthropic", "hi"))
    assert.same({ 400, "error", "anthropic-version: header is required" },
      { unversioned.status, json.decode(unversioned.body).type, json.decode(unversioned.body).error.message })
    assert.equal("max_tokens: Field required", json.decode(models.ask("POST", paths.anthropic, keys.anthropic,
      '{"model":"m","messages":[{"role":"user","content":"hi"}]}').body).error.message)
    assert.equal("model is required", json.decode(models.ask("POST", paths.ollama, nil, "{}").body).error)
    assert.equal(400, models.ask("POST", paths.openai, keys.openai, "{").status)
    assert.equal(404, models.ask("POST", "/v1/else", keys.openai, "{}").status)
  end)

  it("takes one key alone, and tells the one that was wrong", function()
    local strict = stand_in.start { key = "right" }
    local wrong = strict.ask("POST", paths.openai, keys.openai, body_of("openai", "hi"))
    local right = strict.ask("POST", paths.openai, { Authorization = "Bearer right" }, body_of("openai", "[[echokey]]"))
    local closed = strict.ask("POST", paths.ollama, nil, body_of("ollama", "hi"))
    strict.stop()
    assert.same({ 401, "Incorrect API key provided: k" }, { wrong.status, json.decode(wrong.body).error.message })
    assert.equal("Bearer right", json.decode(right.body).choices[1].message.content)
    assert.equal(401, closed.status)
  end)

  for _, vendor in ipairs { "openai", "anthropic", "ollama" } do
    it("does what directives say, for " .. vendor, function()
      local function said(text, fields) return text_of(vendor, ask(vendor, text, fields).json) end
      assert.equal("a\nb☺😀", said [=[[[reply a\nb\u263a\ud83d\ude00]]]=])
      assert.equal("[[1],[2,[3]]]", said "[[reply [[1],[2,[3]]]]]")
      assert.equal("", said "[[reply ]]")
      assert.equal("echo: a [[b]] c", said "a [[b]] c [[usage 1 2]]")
      assert.equal(12345, #said "[[big 12345]]")
      assert.equal('[{"content":"[[history]]","role":"user"}]', said "[[history]]")
      assert.equal("{broken", ask(vendor, "[[raw {broken]]").body)
      local failed = ask(vendor, "[[status 503]] [[header Retry-After 7]]")
      assert.same({ 503, "7" }, { failed.status, failed.headers["retry-after"] })
      assert.truthy(failed.body:find("stand-in says 503", 1, true))
      assert.is_nil(ask(vendor, "[[nousage]]").body:find "usage")
      assert.truthy(ask(vendor, "[[finish length]]").body:find('"length"', 1, true))
    end)

    it("breaks, ends and errs in the middle of a stream, for " .. vendor, function()
      local broken = stream(vendor, "a b c d [[pieces 4]] [[break 2]]")
      assert.same({ 200, false }, { broken.status, broken.is_whole })
      local ended = stream(vendor, "a b c d [[pieces 4]] [[end 2]]")
      assert.same({ 200, true }, { ended.status, ended.is_whole })
      local erred = stream(vendor, "a b c d [[pieces 4]] [[error 2]]")
      assert.truthy(erred.body:find("stand-in says error", 1, true))
      for _, reply in ipairs { broken, ended, erred } do
        assert.is_nil(reply.body:find "DONE" or reply.body:find "message_stop" or reply.body:find '"done":true')
      end
    end)

    it("goes wrong some times and then does well, for " .. vendor, function()
      local function status(key) return ask(vendor, "hi [[status 500]] [[times 2]]", nil, { ["Idempotency-Key"] = key }).status end
      assert.same({ 500, 500, 200, 500 }, { status "a", status "a", status "a", status "b" })
    end)

    it("cuts a stream at any byte, for " .. vendor, function()
      local reply = stream(vendor, "é [[pieces 2]] [[cut 1]]")
      for _, chunk in ipairs(reply.chunks) do assert.equal(1, #chunk) end
      assert.truthy(reply.body:find("é", 1, true))
    end)
  end

  it("answers with the system prompt and the format asked for", function()
    assert.equal("be brief", text_of("anthropic", ask("anthropic", "[[system]]", { system = "be brief" }).json))
    local messages = { { role = "system", content = "be" }, { role = "developer", content = "brief" }, { role = "user", content = "[[system]]" } }
    assert.equal("be\nbrief", text_of("openai", ask("openai", "", { messages = messages }).json))
    local schema = { type = "object" }
    assert.equal('{"schema":{"type":"object"},"type":"json_schema"}',
      text_of("anthropic", ask("anthropic", "[[shape]]", { output_config = { format = { type = "json_schema", schema = schema } } }).json))
    assert.equal('{"type":"object"}', text_of("ollama", ask("ollama", "[[shape]]", { format = schema }).json))
    assert.equal('{"type":"json_object"}', text_of("openai", ask("openai", "[[shape]]", { response_format = { type = "json_object" } }).json))
  end)

  it("writes events in every way that the format allows", function()
    for _, ways in ipairs { "[[crlf]]", "[[comments]]", "[[multiline]]", "[[nospace]]", "[[crlf]] [[comments]] [[multiline]] [[nospace]] [[cut 3]]" } do
      assert.equal("echo: two words", streamed(stream("openai", "two words " .. ways).body))
    end
    assert.truthy(stream("openai", "hi [[crlf]]").body:find("\r\n\r\n", 1, true))
    assert.truthy(stream("openai", "hi [[comments]]").body:find "^: a comment\n")
  end)

  it("says so when it does not understand a directive", function()
    assert.equal(500, stream("openai", "hi [[cut it]]").status)
    assert.equal(200, ask("openai", "hi").status)
  end)

  it("waits before an answer and between its pieces", function()
    local began = os.time()
    assert.equal(200, stream("openai", "a b c [[delay 0.6]] [[pieces 3]] [[gap 0.8]]").status)
    assert.is_true(os.time() - began >= 2)
  end)

  it("falls silent in the middle of a stream, and remembers who went away", function()
    local reply = stream("openai", "a b c [[pieces 3]] [[stall 1]]", nil, 1)
    assert.same({ 200, false }, { reply.status, reply.is_whole })
    assert.equal("gone", models.requests()[1].outcome)
  end)

  it("serves others while one waits", function()
    local name = os.tmpname()
    local slow = io.popen(("perl -MHTTP::Tiny -e 'print HTTP::Tiny->new->post(\"%s/api/chat\", { content => %s })->{content}' >%s"):format(
      models.url, [=[qq({"model":"m","stream":false,"messages":[{"role":"user","content":"[[delay 1]] slow"}]})]=], name))
    local last = os.time() + 10
    repeat until #models.requests() == 1 or os.time() > last
    assert.equal("echo: fast", text_of("openai", ask("openai", "fast").json))
    assert.same({ "open", "answered" }, { models.requests()[1].outcome, models.requests()[2].outcome })
    slow:close()
    local file <close> = io.open(name)
    assert.truthy(file:read("a"):find("echo: slow", 1, true))
    os.remove(name)
  end)

  it("tells what it was asked", function()
    local long = ("é"):rep(1000)
    ask("openai", "hi", { user = long }, { ["X-Mine"] = "ü" })
    local list = models.requests()
    assert.equal(1, #list)
    local request = list[1]
    assert.same({ "POST", "/v1/chat/completions", "ü", long, "hi" },
      { request.method, request.path, request.headers["x-mine"], request.body.user, request.body.messages[1].content })
    assert.is_true(math.abs(request.at - os.time()) < 5)
    models.clear()
    assert.equal(0, #models.requests())
  end)
end)
