-- Agents that are programs: what goes in, what comes out, and how they fail.

local core = require "orchlua.core"
local config = require "orchlua.config"
local agents = require "orchlua.agents"
local errors = require "orchlua.error"
local processes = require "spec.support.processes"
local turning = require "spec.support.turning"

local value, json = core.value, core.json

local function request(fields)
  local made = {
    agent_id = "cleaner", prompt = "clean this", data = value.object { "agent_id", "n", agent_id = "cleaner", n = 1 },
    run_id = "r", request_id = "r/1", idempotency_key = "r/1", attempt = 2, timeout = 30
  }
  for name, field in pairs(fields or {}) do made[name] = field end
  return made
end

-- Asks an agent that is this entry; what it returns, or the error it raises.
local function ask(entry, fields, folder)
  local checked = assert(config.check({ agents = { cleaner = entry } }, folder or "."))
  return turning.run(function(loop)
    local agent = assert(agents.new(checked, loop):find "cleaner")
    local ok, result = pcall(agent.call, request(fields))
    if ok then return result end
    return nil, result
  end)
end

local function script(text, more)
  local entry = { exec = { "sh", "-c", text } }
  for name, field in pairs(more or {}) do entry[name] = field end
  return entry
end

describe("a program as an agent", function()
  it("reads the prompt and answers on standard output", function()
    assert.equal("CLEAN THIS", ask(script "tr a-z A-Z"))
  end)

  it("reads nothing when there is no prompt, and JSON when it is no text", function()
    assert.equal("", ask(script "cat", { prompt = value.null }))
    assert.equal('{"a":1}', ask(script "cat", { prompt = value.object { "a", a = 1 } }))
  end)

  it("reads the whole request as JSON when it asks for that", function()
    assert.equal(
      '{"agent_id":"cleaner","prompt":"clean this","data":{"agent_id":"cleaner","n":1},"run_id":"r","request_id":"r/1",'
      .. '"idempotency_key":"r/1","attempt":2,"timeout":30}',
      ask(script("cat", { stdin = "json" })))
  end)

  it("finds what the request is about in ORCHLUA_REQUEST", function()
    assert.equal('{"agent_id":"cleaner","run_id":"r","request_id":"r/1","idempotency_key":"r/1","attempt":2,"timeout":30}',
      ask(script 'printf %s "$ORCHLUA_REQUEST"'))
  end)

  it("finds any name there, as JSON", function()
    local name = "\"a\\ \n\0$(id)é"
    local text = ask(script 'printf %s "$ORCHLUA_REQUEST"', { agent_id = name })
    assert.equal(name, json.decode(text).agent_id)
  end)

  it("has the host's environment and its own", function()
    assert.equal("mine " .. os.getenv "PATH", ask(script('printf %s "$OWN $PATH"', { env = { OWN = "mine" } })))
  end)

  it("runs in the configuration's folder, or in a folder seen from there", function()
    assert.equal("/", ask(script "pwd", nil, "/"))
    assert.equal("/usr", ask(script("pwd", { cwd = "usr" }), nil, "/"))
    assert.equal("/usr", ask(script("pwd", { cwd = "/usr" }), nil, "."))
    assert.equal("ok", ask({ exec = { "./printf", "ok" } }, nil, "/usr/bin/"))
  end)

  it("loses one line end at the end of its answer and no more", function()
    assert.equal("a\n", ask(script "printf 'a\\n\\n'"))
    assert.equal("a", ask(script "printf 'a\\r\\n'"))
    assert.equal(" a ", ask(script "printf ' a '"))
    assert.equal("", ask(script "true"))
  end)

  it("answers in valid UTF-8 whatever it writes", function()
    assert.equal("a\u{FFFD}b", ask(script "printf 'a\\377b'"))
  end)

  it("may answer at length", function()
    assert.equal(20000000, #ask(script "head -c 20000000 /dev/zero | tr '\\0' x"))
  end)

  it("may close its input early, or never read it", function()
    local prompt = ("x"):rep(5000000)
    assert.equal("ok", ask(script "exec <&-; sleep 0.05; echo ok", { prompt = prompt }))
    assert.equal("ok", ask(script "echo ok", { prompt = prompt }))
    assert.equal("x", ask(script "head -c 1", { prompt = prompt }))
  end)
end)

describe("a program that fails as an agent", function()
  local function failure(entry, fields, folder)
    local reply, problem = ask(entry, fields, folder)
    assert.is_nil(reply)
    assert.is_true(errors.is(problem))
    assert.is_false(problem.retryable)
    return problem
  end

  it("says its status and the end of what it wrote to standard error", function()
    local problem = failure(script("echo first >&2; echo 'no such column' >&2; echo >&2; exit 3"))
    assert.equal("agent", problem.type)
    assert.equal(3, problem.status)
    assert.equal("first\nno such column\n\n", problem.stderr)
    assert.truthy(problem.message:find "^`sh %-c .*` exited with status 3: first\nno such column$")
  end)

  it("says its status alone when it wrote nothing", function()
    assert.equal("`false` exited with status 1", failure({ exec = { "false" } }).message)
  end)

  it("says the signal that ended it", function()
    local problem = failure(script "kill -SEGV $$")
    assert.equal("agent", problem.type)
    assert.is_nil(problem.status)
    assert.equal("SEGV", problem.signal)
    assert.truthy(problem.message:find "was ended by SIGSEGV$")
  end)

  it("keeps the end of a long standard error, in valid UTF-8", function()
    local problem = failure(script "head -c 30000 /dev/zero | tr '\\0' '\\377' >&2; printf 'é%.0s' $(seq 3000) >&2; exit 1")
    assert.is_true(#problem.stderr <= 2000)
    assert.truthy(utf8.len(problem.stderr))
    assert.equal("éé", problem.stderr:sub(-4))
    assert.truthy(utf8.len(problem.message))
    assert.is_true(#problem.message < 800)
  end)

  it("names what could not start", function()
    local problem = failure { exec = { "./no-such-program" } }
    assert.equal("agent", problem.type)
    assert.truthy(problem.message:find("cannot start `./no-such-program`: ", 1, true))
    failure({ exec = { "true" } }, nil, "/no/such/folder")
    failure({ exec = { "true" } }, { agent_id = ("x"):rep(10000000) }) -- more than an environment can hold
  end)

  it("is stopped when it answers more than max_reply", function()
    local problem = failure { exec = { "yes" }, max_reply = 1000 }
    assert.equal("limit", problem.type)
    assert.equal("`yes` wrote more than 1000 bytes (max_reply)", problem.message)
  end)

  it("cannot be asked with data that JSON cannot hold", function()
    local loop = value.object {}
    loop[1], loop.self = "self", loop
    assert.equal("agent", failure(script("cat", { stdin = "json" }), { data = loop }).type)
  end)

  it("ends with all that it started when its call is closed", function()
    local file = os.tmpname()
    local entry = script(("trap '' TERM; sleep 30 & echo $! $$ > %s; while :; do sleep 1; done"):format(file))
    local checked = assert(config.check({ agents = { cleaner = entry } }, "."))
    turning.run(function(loop)
      local agent = agents.new(checked, loop):find "cleaner"
      local co = coroutine.create(agent.call)
      loop:resume(co, request())
      turning.sleep(loop, 0.3)
      assert(coroutine.close(co))
      turning.sleep(loop, 1.5)
    end)
    local pids = processes.listed(file)
    assert.equal(2, #pids)
    for _, pid in ipairs(pids) do assert.is_false(turning.is_running(pid)) end
  end)
end)

describe("a command-line assistant as an agent", function()
  local function args(...) return { exec = { "printf", "%s|", ... } } end

  it("gets the prompt where its arguments say, as it is, and nothing on standard input", function()
    local odd = "two words; $(rm -rf /) 'x' %d %1 {prompt}"
    assert.equal("-p|" .. odd .. "|in: " .. odd .. "|", ask(args("-p", "{prompt}", "in: {prompt}"), { prompt = odd }))
    assert.equal("0\n-p", (ask({ exec = { "sh", "-c", "wc -c; echo $0", "-p", "{prompt}" } }):gsub(" ", "")))
    assert.equal("clean this", (ask { exec = { "sh", "-c", "cat", "{prompt}" }, stdin = "text" }))
  end)

  it("is told when a prompt cannot be an argument", function()
    local _, err = ask(args "{prompt}", { prompt = "a\0b" })
    assert.equal("the prompt cannot be an argument: it has a zero byte in it", err.message)
    _, err = ask(args "{prompt}", { prompt = ("x"):rep(200000) })
    assert.equal("the prompt cannot be an argument: it is 200000 bytes long", err.message)
    assert.truthy(err.hint:find("standard input", 1, true))
    assert.equal(120000, #ask({ exec = { "sh", "-c", 'printf %s "$0"', "{prompt}" } }, { prompt = ("x"):rep(120000) }))
  end)

  it("inherits the variables that it is given, and no others", function()
    local all = ask(script "env")
    assert.truthy(all:find("HOME=", 1, true))
    local some = ask(script("env", { inherit = { "PATH", "ORCHLUA_SPEC_NONE" }, env = { EXTRA = "1" } }))
    assert.is_nil(some:find("HOME=", 1, true))
    assert.truthy(some:find("PATH=", 1, true))
    assert.truthy(some:find("EXTRA=1", 1, true))
    assert.truthy(some:find("ORCHLUA_REQUEST=", 1, true))
    assert.is_nil(ask({ exec = { "/bin/sh", "-c", "/usr/bin/env" }, inherit = false }):find("HOME=", 1, true))
  end)

  it("answers with the field that is its reply", function()
    local output = [[echo '{"result": "four", "list": [{"n": 7}], "empty": null, "tree": {"a": 1}}']]
    assert.equal("four", ask(script(output, { reply = "result" })))
    assert.equal("7", ask(script(output, { reply = "list.0.n" })))
    assert.equal('{"a":1}', ask(script(output, { reply = "tree" })))
    assert.equal("false", ask(script([[echo '{"ok": false}']], { reply = "ok" })))
    for _, field in ipairs { "none", "empty", "list.x", "list.1.n", "result.a" } do
      local _, err = ask(script(output, { reply = field }))
      assert.truthy(err.message:find(("the program's answer has no field `%s`: {"):format(field), 1, true))
    end
    local _, err = ask(script("echo no JSON", { reply = "result" }))
    assert.equal("the program's answer has no field `result`: no JSON", err.message)
  end)
end)
