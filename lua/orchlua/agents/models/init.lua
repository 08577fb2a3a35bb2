-- Agents that are language models. A question becomes a request in the dialect of the server
-- (`question.lua`); its answer, whole or in pieces, becomes the reply's text and the tokens it
-- took. A dialect is a file of its own: `body` writes a request, `answer` reads what lies at the
-- `paths` of a whole answer, `piece` one event of a stream.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local http = require "orchlua.agents.http"
local io = require "orchlua.io"
local lines = require "orchlua.agents.models.lines"
local question = require "orchlua.agents.models.question"
local request_text = require "orchlua.agents.request"
local secrecy = require "orchlua.secrecy"
local wire = require "orchlua.agents.models.wire"

local json, value = core.json, core.value

local M = {}

---@class orchlua.Answer
---@field text? string        nil: the server's JSON is no answer
---@field usage? { input: integer, output: integer }
---@field ending? "stop"|"length"|"refused"|"tool"   why it ended; nil: it was cut off
---@field problem? table      what the server says went wrong
---@field whole? boolean       nothing comes behind this event of a stream

local MOST_OUTPUT = question.MOST_OUTPUT

local dialects = {
  openai = require "orchlua.agents.models.openai",
  anthropic = require "orchlua.agents.models.anthropic",
  ollama = require "orchlua.agents.models.ollama",
}

-- What a message takes besides its text, and a request besides its messages, in tokens.
local MESSAGE_TOKENS, REQUEST_TOKENS = 16, 64
-- Seconds that a server has, once its stream is whole, to end the body too: then its connection serves others.
local LAST_SECONDS = 0.25
-- Bytes kept of an answer that was cut off.
local KEPT_PARTIAL = 64 * 1024

-- Nothing was spent on a try.
local NOTHING = { input = 0, output = 0, cost = 0 }

-- What is answered -------------------------------------------------------------------------

-- What a server says of a failure, wherever its dialect puts it.
local function said(body, secrets)
  local text = wire.text_at(body, "error", "message") or wire.text_at(body, "error") or wire.text_at(body, "message") or wire.text_at(body, "detail")
  return text and http.brief(secrecy.mask(text, secrets))
end

-- What a server says in a stream that has begun cannot come with a status: these mean that
-- another try may help.
local PASSING = { overloaded_error = true, api_error = true, rate_limit_error = true, server_error = true, timeout_error = true }

local function problem_of(body, secrets)
  local kind = wire.text_at(body, "error", "type")
  local status = wire.count_at(body, "error", "code")
  local passing = PASSING[kind] or status ~= nil and (status == 429 or status >= 500) or kind == nil and status == nil
  return errors.new("agent", "the server's answer is an error: " .. (said(body, secrets) or http.brief(secrecy.mask(json.encode(body) or "", secrets))),
    { retryable = passing, status = status })
end

local endings = {}

function endings.refused(answer)
  return errors.new("agent", "the model refused to answer: " .. http.brief(answer.text or ""), { final = true })
end

function endings.tool() return errors.new("agent", "the model asked for a tool, and agents have none", { final = true }) end

-- An answer as long as the configuration allows is what it asked for; one that only the
-- default cut off would pass for whole.
function endings.length(_, settings, dialect)
  if dialect.max_tokens(settings) then return nil end
  return errors.new("agent", ("the answer was cut off at %d tokens"):format(MOST_OUTPUT),
    { final = true, hint = "set `max_tokens` of the agent to what its answers need" })
end

-- Whether an answer is complete; else the error that it stands for.
local function judged(answer, settings, dialect, secrets)
  if answer.problem then return problem_of(answer.problem, secrets) end
  if not answer.text then return errors.new("agent", "the server's answer has no text in it", { retryable = false }) end
  if not answer.ending then return errors.new("transport", "the stream broke off", { retryable = true }) end
  local judge = endings[answer.ending]
  return judge and judge(answer, settings, dialect)
end

-- What had come of an answer goes with its failure.
local function with_partial(err, text)
  if not text or text == "" then return err end
  err.message = ("%s, after %d bytes: …%s"):format(err.message, #text, io.last(http.brief(io.last(text, 100)), 60))
  err.fields = { partial = io.last(text, KEPT_PARTIAL) }
  return err
end

-- The answer in a body, of what was found in it.
local function answer_in(body, secrets, dialect, is_object, ...)
  if not is_object then
    return nil, errors.new("agent", "the server's answer is no JSON object: " .. http.brief(secrecy.mask(body, secrets)), { retryable = false })
  end
  local answer = dialect.answer(...)
  if answer.problem then answer.problem = json.decode(body) end
  answer.text = answer.text and secrecy.mask(answer.text, secrets)
  return answer
end

local function whole(loop, handle, secrets, dialect)
  local body, problem = io.body(handle)
  if not body then return nil, problem end
  io.take_turn(loop, body)
  return answer_in(body, secrets, dialect, json.find(body, dialect.paths))
end

-- Takes one event of a stream: its piece is told as it comes; `whole_now` is called at the last one.
local function taker(answer, dialect, show, whole_now)
  return function(data)
    if data == dialect.last then
      answer.ending, answer.whole = answer.ending or "stop", true
    else
      local event = data ~= "" and json.decode(data)
      local piece = event and dialect.piece(answer, event)
      if piece then show(piece) end
    end
    if answer.whole then whole_now() end
  end
end

-- Pieces of text, masked, as they are told and as the whole that they make.
local function gathering(secrets, tell)
  local pieces, mask = {}, secrecy.masker(secrets)
  local function show(piece)
    local shown = mask(piece)
    if shown == "" then return end
    pieces[#pieces + 1] = shown
    tell(shown)
  end
  return show, function()
    local rest = mask(nil)
    if rest ~= "" then
      pieces[#pieces + 1] = rest
      tell(rest)
    end
    return secrecy.mask(table.concat(pieces), secrets)
  end
end

-- A transfer that is to end soon: when `begin` has been called, it is closed after a moment, for what reads it
-- not to wait for a server that leaves it open.
local function last_moment(loop, handle)
  local moment = setmetatable({}, { __close = function(self)
    if self.timer then self.timer:close() end
  end })
  function moment.begin()
    if moment.timer then return end
    moment.timer = loop:timer(LAST_SECONDS)
    loop:resume(coroutine.create(function()
      if moment.timer:wait() then handle:close() end
    end))
  end
  return moment
end

local function streamed(loop, handle, secrets, dialect, tell, note)
  local answer = {}
  local show, text = gathering(secrets, tell)
  note.partial = function() return io.last(text(), KEPT_PARTIAL) end
  local moment <close> = last_moment(loop, handle)
  local take = taker(answer, dialect, show, moment.begin)
  local reader = dialect.streams_as == "events" and lines.events(take) or lines.reader(take)
  local broken = io.pieces(handle, function(piece)
    reader:feed(piece)
    return answer.problem ~= nil
  end)
  if not broken and dialect.streams_as == "lines" then reader:finish() end
  answer.text = value.utf8(text())
  if answer.text == "" and not answer.ending then answer.text = nil end
  if broken and not answer.ending then return nil, with_partial(broken, answer.text) end
  if not answer.text and not answer.problem then return nil, errors.new("transport", "the stream ended before any answer came", { retryable = true }) end
  return answer
end

-- A gateway gave up waiting: the server behind it may have done its work all the same.
local OUTCOME_UNKNOWN = { [504] = true, [524] = true }

local function refusal(handle, secrets)
  local head, unread = io.head(handle)
  if not head then return unread end
  local text = http.error_body(handle)
  local refused = http.refusal(head, said(json.decode(text), secrets) or http.brief(secrecy.mask(text, secrets)))
  local should = head.headers["x-should-retry"]
  if should == "true" or should == "false" then refused.retryable = should == "true" end
  refused.final = not refused.retryable
  refused.usage = not OUTCOME_UNKNOWN[head.status] and NOTHING or nil
  return refused
end

local function is_json(head) return (head.headers["content-type"] or ""):lower():find("application/json", 1, true) ~= nil end

local function nothing() end

-- Reads an answer that was asked for in pieces; some servers give it whole all the same.
local function pieces(handle, model, secrets, asked)
  local head, unread = io.head(handle)
  if not head then return nil, unread end
  if is_json(head) then return whole(model.loop, handle, secrets, model.dialect) end
  return streamed(model.loop, handle, secrets, model.dialect, asked.tell or nothing, asked)
end

-- A call -----------------------------------------------------------------------------------

local function url_of(settings, dialect)
  local base = (settings.base_url or dialect.base_url):gsub("/+$", "")
  if dialect.path:sub(1, 4) == "/v1/" then base = base:gsub("/v1$", "") end
  return base .. dialect.path
end

-- What goes with every request under a key, and what of it must not be seen. The loop takes what it needs of a request at
-- once, so that all are made of the same table: only the body and the last header change.
local function credentials(model, key)
  local settings, dialect = model.settings, model.dialect
  local headers = { ["Content-Type"] = "application/json" }
  for name, text in pairs(dialect.headers(key)) do headers[name] = text end
  local list, idempotency_key = io.header_list(settings.headers, headers), { "Idempotency-Key", "" }
  list[#list + 1] = idempotency_key
  return {
    key = key, secrets = secrecy.of(key, settings.headers), idempotency_key = idempotency_key,
    request = { method = "POST", url = url_of(settings, dialect), headers = list, body = "", limit = model.entry.max_reply },
  }
end

local function key_of(settings, dialect, folder)
  local path = settings.api_key_file and io.beside(folder, settings.api_key_file)
  -- The vendor's own variable is for the vendor's own servers.
  local variable = settings.api_key_env or not settings.base_url and dialect.api_key_env or nil
  local key, problem = secrecy.read(path, variable)
  if problem then errors.raise("agent", problem, { final = true, usage = NOTHING, hint = "set it where orchlua runs; nothing was sent" }) end
  return key
end

local function cost_of(usage, price)
  if not price then return nil end
  return (usage.input * price.input + usage.output * price.output) / 1e6
end

local function usage_of(answer, price)
  local usage = answer.usage
  if usage then usage.cost = cost_of(usage, price) end
  return usage
end

-- Reads what a server sends back.
local function receive(handle, status, model, secrets, asked)
  if status < 200 or status > 299 then return nil, refusal(handle, secrets) end
  if asked.stream then return pieces(handle, model, secrets, asked) end
  return whole(model.loop, handle, secrets, model.dialect)
end

local function ask(model, asked)
  local key, known = key_of(model.settings, model.dialect, model.folder), model.known
  if not known or known.key ~= key then
    known = credentials(model, key)
    model.known = known
  end
  local request, secrets = known.request, known.secrets
  request.body, known.idempotency_key[2] = model.write(asked), http.header_text(asked.idempotency_key)
  local answer, failed = io.transfer(model.loop, request, receive, model, secrets, asked)
  local wrong = failed and request_text.failure(failed, model.entry) or judged(answer, model.settings, model.dialect, secrets)
  local usage = answer and usage_of(answer, model.entry.price)
  if not wrong then return answer.text, usage end
  wrong.usage = wrong.usage or wrong.unsent and NOTHING or usage
  if answer and answer.ending ~= "refused" then with_partial(wrong, answer.text) end
  error(wrong, 0)
end

--- Makes the function that asks this model: it waits inside a coroutine of the loop and
--- returns the answer's text and its usage, or raises an error object. An error has the
--- `usage` of its try when that is known: none of one that the server turned down.
---@param entry orchlua.Config.Entry
---@param loop any
---@param folder string  the configuration's
---@return fun(asked: orchlua.Asked): string, table?
function M.new(entry, loop, folder)
  local dialect = dialects[entry.kind]
  local model = { entry = entry, settings = entry.model, dialect = dialect, loop = loop, folder = folder, write = question.writer(entry, dialect) }
  return function(asked) return ask(model, asked) end
end

-- What it may cost -------------------------------------------------------------------------

--- What asking an agent takes at worst, apart from the texts of the question, as a value
--- of the language: `{output, overhead, per_message, memory, input_price?, output_price?}`,
--- tokens, exchanges, and money for a million tokens.
---@param entry orchlua.Config.Entry
---@param agent_id string
---@return table
function M.terms(entry, agent_id)
  local settings, dialect = entry.model, dialects[entry.kind]
  local fields = json.encode(wire.add(value.object {}, settings.fields)) or ""
  local price = entry.price or {}
  return wire.object("output", dialect.max_tokens(settings) or MOST_OUTPUT, "overhead", REQUEST_TOKENS + #fields + #(question.system(settings, agent_id) or ""),
    "per_message", MESSAGE_TOKENS, "memory", entry.memory, "input_price", price.input, "output_price", price.output)
end

return M
