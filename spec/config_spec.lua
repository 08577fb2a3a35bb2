-- The configuration: finding it, running it, what it may hold, and which entry
-- a name means.

local config = require "orchlua.config"
local errors = require "orchlua.error"

local function problems_of(given)
  local checked, problem = config.check(given, ".", "x.lua")
  assert.is_nil(checked)
  assert.is_true(errors.is(problem))
  assert.equal("config", problem.type)
  return problem.message, problem
end

local function checked(given)
  return assert(config.check(given, "."))
end

local function nothing() end

-- A folder for one test, removed afterwards.
local folder

local function shell(command) assert(os.execute(command)) end

local function write(name, text)
  local path = folder .. "/" .. name
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  assert(file:close())
  return path
end

describe("matching a name", function()
  local function best(name, ...)
    local map = {}
    for _, key in ipairs { ... } do map[key] = true end
    return select(2, config.match(map, name))
  end

  it("takes the entry itself and its key", function()
    assert.same({ 7, "a_*" }, { config.match({ ["a_*"] = 7 }, "a_b") })
    assert.same({}, { config.match({ ["a_*"] = 7 }, "b_a") })
  end)

  it("lets an exact name beat a glob", function()
    assert.equal("worker_1", best("worker_1", "*", "worker_*", "worker_1"))
  end)

  it("lets the glob with the most literal characters win", function()
    assert.equal("worker_*", best("worker_1", "*", "w*", "worker_*", "*1"))
    assert.equal("*_long_tail", best("w_long_tail", "w_*", "*_long_tail"))
  end)

  it("takes the first in byte order of globs that are as exact", function()
    assert.equal("*b", best("ab", "a*", "*b"))
    assert.equal("a*c*", best("abcd", "a*c*", "a*d*"))
  end)

  it("lets a star stand for nothing, for one character and for many", function()
    for _, name in ipairs { "ab", "axb", "a\n*.b", "a" .. ("x"):rep(100000) .. "b" } do assert.equal("a*b", best(name, "a*b")) end
    for _, name in ipairs { "", "a", "b", "abc", "ba" } do assert.is_nil(best(name, "a*b")) end
    assert.equal("*", best("", "*"))
  end)

  it("does not use one character for two pieces", function()
    assert.is_nil(best("aba", "ab*ba"))
    assert.equal("ab*ba", best("abba", "ab*ba"))
    assert.is_nil(best("abc", "ab*b*c"))
    assert.is_nil(best("aXb", "a*X*Xb"))
    assert.equal("a*X*Xb", best("aXXb", "a*X*Xb"))
    assert.equal("a**b", best("ab", "a**b"))
  end)

  it("reads nothing else in a key or a name as a pattern", function()
    for _, name in ipairs { "%a+", "[a-z]", ".-", "^a$", "(", "%", "a.c" } do
      assert.is_nil(best(name, "abc", "b*"))
      assert.equal(name, best(name, name))
      assert.equal(name .. "*", best(name .. "!", name .. "*"))
    end
    assert.is_nil(best("abc", "a.c", "a.*", "%a*"))
  end)

  it("is quick with a name made to be slow", function()
    local before = os.clock()
    assert.is_nil(best(("a"):rep(200000), "*a*a*a*a*a*b"))
    assert.is_nil(best(("ab"):rep(100000), "*ba*ba*ba*bb*"))
    assert.is_true(os.clock() - before < 1)
  end)
end)

describe("checking a configuration", function()
  it("accepts the empty one and fills in what was left out", function()
    local it = checked {}
    assert.same({ timeout = 120, retries = 2, concurrency = 64 }, it.defaults)
    assert.same({}, it.agents)
    assert.same({}, it.events)
    assert.same({}, it.functions)
    assert.same({}, it.patterns)
    assert.is_true(config.allows_event(it, "completion:async"))
    assert.is_true(config.allows_agent(it, "anyone"))
  end)

  it("brings every form of an agent into one", function()
    local it = checked {
      defaults = { timeout = 30, retries = 1 },
      agents = {
        critic = nothing,
        slow = { lua = nothing, latency = 3, concurrency = 2 },
        cleaner = { exec = { "python3", "clean.py" }, stdin = "json", cwd = "tools", env = { K = "v" }, timeout = 5, retries = 0 },
        fetcher = { http = "https://example.org/agent", headers = { ["X-Key"] = "k" }, max_reply = 100, try_timeout = 1.5 }
      }
    }
    assert.same({ name = "critic", kind = "lua", lua = nothing, timeout = 30, retries = 1, retries_given = false, concurrency = 64 }, it.agents.critic)
    assert.equal(3, it.agents.slow.latency)
    assert.equal(2, it.agents.slow.concurrency)
    assert.same({
      name = "cleaner", kind = "exec", exec = { "python3", "clean.py" }, stdin = "json", cwd = "tools", env = { K = "v" },
      timeout = 5, retries = 0, retries_given = true, concurrency = 64, max_reply = 64 * 1024 * 1024, reply_limit = "limits.reply"
    }, it.agents.cleaner)
    assert.equal("http", it.agents.fetcher.kind)
    assert.equal(100, it.agents.fetcher.max_reply)
    assert.equal(1.5, it.agents.fetcher.try_timeout)
  end)

  it("names the field, what it expects and what it got", function()
    assert.equal('agents.cleaner.timeout: expected a number of seconds above 0, got "abc"',
      problems_of { agents = { cleaner = { exec = { "x" }, timeout = "abc" } } })
    assert.equal('agents["worker_*"].retries: expected a whole number, 0 or above, got -1',
      problems_of { agents = { ["worker_*"] = { lua = nothing, retries = -1 } } })
    assert.equal("agents.a.exec[2]: expected a text without zero bytes, got 7", problems_of { agents = { a = { exec = { "x", 7 } } } })
    assert.equal('agents.a.headers["A:B"]: expected the name of a header, got "v"',
      problems_of { agents = { a = { http = "http://h", headers = { ["A:B"] = "v" } } } })
  end)

  it("reports every problem at once, a line each", function()
    local message, problem = problems_of {
      agents = { b = { exec = "python3 clean.py" }, a = { lua = nothing, latency = 0 / 0, timeout = math.huge } },
      defaults = { concurrency = 0.5 },
      policy = { events = "*" }
    }
    assert.equal(5, #problem.problems)
    assert.equal(table.concat(problem.problems, "\n"), message)
    for _, name in ipairs { "agents.a.latency", "agents.a.timeout", "agents.b.exec", "defaults.concurrency", "policy.events" } do
      assert.truthy(("\n" .. message):find("\n" .. name .. ": expected ", 1, true), name)
    end
    assert.equal("x.lua", problem.file)
  end)

  it("refuses unknown fields, with the nearest known one as a hint", function()
    assert.equal("agent: unknown field; did you mean `agents`?", problems_of { agent = {} })
    assert.equal("agents.a.timout: unknown field; did you mean `timeout`?", problems_of { agents = { a = { lua = nothing, timout = 1 } } })
    assert.equal("agents.a.latency: unknown field", problems_of { agents = { a = { exec = { "x" }, latency = 1 } } })
    assert.equal("[1]: unknown field", problems_of { "x" })
  end)

  it("wants exactly one kind in an agent", function()
    assert.equal("agents.a: expected one of `anthropic`, `exec`, `http`, `lua`, `ollama`, `openai`; did you mean `exec`?", problems_of { agents = { a = { exe = { "x" } } } })
    assert.equal("agents.a: expected one of `anthropic`, `exec`, `http`, `lua`, `ollama`, `openai`, got `exec`, `lua`",
      problems_of { agents = { a = { exec = { "x" }, lua = nothing } } })
    assert.equal("agents.a: expected a function or a table, got \"x\"", problems_of { agents = { a = "x" } })
    assert.equal("agents: expected names as keys, got 1", problems_of { agents = { nothing } })
  end)

  it("takes models, with what is beside the kind and in its table, and what all of a provider share", function()
    local normal = assert(config.check({
      providers = { openai = { base_url = "http://h/v1", api_key_env = "K", top_p = 0.5, rate = { requests = 6 }, price = { input = 1, output = 2 } } },
      agents = {
        a = { openai = { model = "m", seed = 7 }, system = "s", temperature = 0, memory = false, stream = true },
        b = { openai = "short", memory = { turns = 3 }, price = { input = 5, output = 6 } },
        c = { ollama = { model = "l", max_tokens = 9 } },
      },
    }, "."))
    local a, b, c = normal.agents.a, normal.agents.b, normal.agents.c
    assert.same({ base_url = "http://h/v1", api_key_env = "K", model = "m", system = "s", temperature = 0, fields = { seed = 7, top_p = 0.5 } }, a.model)
    assert.same({ 0, true, { input = 1, output = 2 }, { requests = 6, per = 60 } }, { a.memory, a.stream, a.price, a.provider_rate })
    assert.same({ "short", 3, { input = 5, output = 6 } }, { b.model.model, b.memory, b.price })
    assert.same({ 9, 8, { input = 0, output = 0 } }, { c.model.max_tokens, c.memory, c.price })
  end)

  it("refuses models that could not be asked", function()
    for message, entry in pairs {
      ["agents.a: expected the name of a model, as `openai = { model = \"…\" }`"] = { openai = {} },
      ["agents.a.openai.messages: expected nothing here: the runtime sets this field, got a table"] = { openai = { model = "m", messages = {} } },
      ["agents.a.system: `system` is given twice: beside `openai` and in it"] = { openai = { model = "m", system = "x" }, system = "y" },
      ["agents.a.memory: expected true, false or { turns = n }, got 7"] = { openai = { model = "m" }, memory = 7 },
      ["agents.a.openai.base_url: expected an address such as \"https://example.org/agent\", got \"h\""] = { openai = { model = "m", base_url = "h" } },
      ["agents.a.rate: expected a table such as { requests = 60, tokens = 90000, per = 60 }, got a table"] = { openai = { model = "m" }, rate = { per = 60 } },
    } do
      assert.equal(message, problems_of { agents = { a = entry } })
    end
    assert.truthy(problems_of({ agents = { a = { openai = { model = "m", api_key = "sk" } } } }):find("name its variable with `api_key_env`", 1, true))
    assert.truthy(problems_of({ events = { ["x:y"] = { openai = { model = "m" } } } }):find("a model is an agent", 1, true))
  end)

  it("without any is a provider's model where the environment has its key", function()
    local function default(variables) return assert(config.default(function(name) return variables[name] end)).agents["*"] end
    assert.is_nil(default {})
    assert.same({ model = "gpt-4o-mini", api_key_env = "OPENAI_API_KEY", fields = {} }, default({ OPENAI_API_KEY = "k", ANTHROPIC_API_KEY = "k" }).model)
    assert.same({ model = "c", api_key_env = "ANTHROPIC_API_KEY", base_url = "http://h", fields = {} },
      default({ ANTHROPIC_API_KEY = "k", ANTHROPIC_MODEL = "c", ANTHROPIC_BASE_URL = "http://h" }).model)
    for host, address in pairs {
      ["127.0.0.1"] = "http://127.0.0.1:11434", [":1234"] = "http://127.0.0.1:1234", ["0.0.0.0:1"] = "http://127.0.0.1:1", ["https://h/"] = "https://h:443",
      ["http://h:8080/ollama/"] = "http://h:8080/ollama", ["::1"] = "http://[::1]:11434", ["[::1]:99"] = "http://[::1]:99",
    } do
      assert.equal(address, default({ OLLAMA_HOST = host }).model.base_url)
    end
  end)

  it("refuses what a system call or a header cannot carry", function()
    local bad = {
      { exec = {} }, { exec = { "" } }, { exec = { "x\0y" } }, { exec = { "x", nil, "y" } },
      { exec = { "x" }, env = { ["A=B"] = "v" } }, { exec = { "x" }, env = { A = "\0" } }, { exec = { "x" }, env = { A = 1 } },
      { exec = { "x" }, env = { ORCHLUA_REQUEST = "{}" } }, { exec = { "x" }, stdin = "yaml" },
      { http = "example.org" }, { http = "ftp://example.org" }, { http = "http://" }, { http = "http://a b" }, { http = 1 },
      { http = "http://h", headers = { A = "b\r\nC: d" } }, { http = "http://h", headers = { ["idempotency-key"] = "1" } },
      { http = "http://h", headers = { "A: b" } }, { http = "http://h", max_reply = 0 }
    }
    for _, entry in ipairs(bad) do problems_of { agents = { a = entry } } end
  end)

  it("takes handlers of events in Lua, on the web, as programs and by agents", function()
    local it = checked {
      agents = { ["a_*"] = nothing },
      events = {
        ["evaluation:run"] = nothing, ["ops:*"] = { http = "http://h/" }, ["log:line"] = { exec = { "logger" } },
        ["ask:it"] = { agent = "a_1" }, ["optimization:async"] = nothing
      }
    }
    assert.equal("lua", it.events["evaluation:run"].kind)
    assert.equal("http", config.match(it.events, "ops:restart").kind)
    assert.equal("a_1", it.events["ask:it"].agent)
    assert.equal("events[\"x:y\"].agent: no agent `b` in the configuration", problems_of { events = { ["x:y"] = { agent = "b" } } })
  end)

  it("says what a number of the retention is of", function()
    assert.equal("retention.days: expected a number of days above 0, got -1", problems_of { retention = { days = -1 } })
    assert.equal("retention.rows: expected a whole number, 0 or above, got 1.5", problems_of { retention = { rows = 1.5 } })
  end)

  it("refuses to replace built-in events, but for optimization:async", function()
    for _, name in ipairs { "completion:async", "agent:status", "state:entity:get", "orchestration:run", "pattern:vote" } do
      assert.truthy(problems_of { events = { [name] = nothing } }:find("is built in and cannot be replaced", 1, true))
    end
  end)

  it("refuses an event's name that no event can have", function()
    assert.equal("events.restart: an event's name has a colon, as `ops:restart` has; no event is ever called `restart`", problems_of { events = { restart = nothing } })
    checked { events = { ["*"] = nothing, ["ops*"] = nothing, ["a:b:c"] = nothing } }
  end)

  it("reports an agent that has a problem of its own only once", function()
    assert.equal("agents.a: expected a function or a table, got 1", problems_of { agents = { a = 1 }, events = { ["x:y"] = { agent = "a" } } })
  end)

  it("takes functions under upper-case names that hide nothing", function()
    assert.equal(nothing, checked { functions = { SCORE_2 = nothing } }.functions.SCORE_2)
    assert.equal(nothing, checked { functions = { GENERATE_TASKS = nothing } }.functions.GENERATE_TASKS)
    for _, name in ipairs { "score", "2X", "_X", "A-B", "Ä" } do problems_of { functions = { [name] = nothing } } end
    for _, name in ipairs { "SORT", "RANGE", "RANDOM" } do
      assert.equal(("functions.%s: hides the built-in function `%s`"):format(name, name), problems_of { functions = { [name] = nothing } })
    end
    assert.equal("functions.IF: `IF` is a word of the language", problems_of { functions = { IF = nothing } })
    assert.equal("functions.SCORE: expected a function, got 1", problems_of { functions = { SCORE = 1 } })
  end)

  it("takes patterns by module, by module under a name, and as tables", function()
    local own = { name = "own", params = {}, run = nothing }
    local module = { module = "acme.vote", folder = "." }
    assert.same({ vote = module, ballot = module, own = own }, checked { patterns = { "acme.vote", ballot = "acme.vote", own } }.patterns)
    problems_of { patterns = { x = { name = "x" } } }
    problems_of { patterns = { 1 } }
    problems_of { patterns = { "a.vote", "b.vote" } }
    problems_of { patterns = "vote" }
  end)

  it("is not changed by what happens to the table it came from", function()
    local given = { agents = { a = { exec = { "x" }, env = { A = "1" } } } }
    local it = checked(given)
    given.agents.a.exec[1], given.agents.a.env.A, given.agents.b = "y", "2", nothing
    assert.equal("x", it.agents.a.exec[1])
    assert.equal("1", it.agents.a.env.A)
    assert.is_nil(it.agents.b)
  end)

  it("refuses what is no table", function()
    assert.equal("a configuration is a table, got nil", problems_of(nil))
    assert.equal('agents: expected a table, got "x"', problems_of { agents = "x" })
  end)

  it("needs no more than nothing for a run without a configuration", function()
    assert.same({}, config.default().agents)
  end)
end)

describe("the policy", function()
  it("allows what a rule fits and says which rules there are for the rest", function()
    local it = checked { policy = { events = { "completion:async", "agent:*" } } }
    assert.is_true(config.allows_event(it, "agent:status"))
    assert.is_true(config.allows_agent(it, "anyone"))
    assert.same({ false, 'policy.events allows only "agent:*", "completion:async"' }, { config.allows_event(it, "ops:x") })
  end)

  it("allows nothing with an empty list", function()
    local it = checked { policy = { agents = {} } }
    assert.same({ false, "policy.agents allows none" }, { config.allows_agent(it, "a") })
    assert.is_true(config.allows_event(it, "a:b"))
  end)

  it("can be narrowed and never widened", function()
    local it = checked { policy = { events = { "a:*", "b:x" } }, agents = { a = nothing } }
    local narrowed = assert(config.narrow(it, { events = { "a:x", "c:*" }, agents = { "a" } }, "front matter"))
    assert.equal(it.agents, narrowed.agents)
    assert.is_true(config.allows_event(narrowed, "a:x"))
    assert.same({ false, 'front matter.events allows only "a:x", "c:*"' }, { config.allows_event(narrowed, "a:y") })
    assert.same({ false, 'policy.events allows only "a:*", "b:x"' }, { config.allows_event(narrowed, "c:x") })
    assert.is_false((config.allows_agent(narrowed, "b")))
    assert.is_true(config.allows_event(it, "a:y"))
    assert.equal("config", select(2, config.narrow(it, { events = "x" }, "front matter")).type)
  end)

  it("names a rule that is no text", function()
    assert.equal("policy.agents[2]: expected a text that is not empty, got 1", problems_of { policy = { agents = { "a", 1 } } })
    assert.equal("policy.agent: unknown field; did you mean `agents`?", problems_of { policy = { agent = {} } })
  end)
end)

describe("a configuration's file", function()
  before_each(function()
    folder = os.tmpname()
    shell("rm -f " .. folder .. " && mkdir " .. folder)
  end)
  after_each(function() shell("rm -rf " .. folder) end)

  it("is run and checked, and knows its folder", function()
    local path = write("c.lua", "return { agents = { a = function() end } }")
    local it = assert(config.load(path))
    assert.equal("lua", it.agents.a.kind)
    assert.equal(folder .. "/", it.folder)
    assert.equal(path, it.path)
  end)

  it("sees the host's globals and keeps its own to itself", function()
    local path = write("c.lua", "helper = string.upper\nassert(helper 'a' == 'A')\nreturn { functions = { F = helper } }")
    assert(config.load(path))
    assert.is_nil(rawget(_G, "helper"))
  end)

  it("gets its folder, so that it can load what lies beside it", function()
    write("more.lua", "return { a = function() end }")
    local path = write("c.lua", "local folder = ...\nreturn { agents = dofile(folder .. 'more.lua') }")
    assert.equal("lua", assert(config.load(path)).agents.a.kind)
  end)

  local function failure(text, name)
    local path = write(name or "c.lua", text)
    local it, problem = config.load(path)
    assert.is_nil(it)
    assert.equal("config", problem.type)
    assert.equal(path, problem.file)
    return problem
  end

  it("has the line of a syntax error", function()
    local problem = failure "return {\n  agents = = 1\n}"
    assert.equal(2, problem.line)
    assert.equal("unexpected symbol near '='", problem.message)
  end)

  it("has the line of an error that it raises", function()
    local problem = failure "local x\n\nlocal y = x.z\nreturn {}"
    assert.equal(3, problem.line)
    assert.equal("attempt to index a nil value (local 'x')", problem.message)
    assert.equal(2, failure("\nerror({})\n").line)
    assert.equal(2, failure("local function f() string.rep() end\nf()\n") and 2)
  end)

  it("has its own line when something that it calls raises", function()
    write("other.lua", "\n\n\nerror 'deep'")
    local problem = failure "local folder = ...\n\ndofile(folder .. 'other.lua')\nreturn {}"
    assert.equal(3, problem.line)
    assert.truthy(problem.message:find("other.lua:4: deep", 1, true))
  end)

  it("has the right line under a path longer than Lua shows", function()
    assert.equal(2, failure("\nreturn + ", ("n"):rep(200) .. ".lua").line)
  end)

  it("must be text, readable and a table", function()
    assert.truthy(failure(string.dump(function() end)).message:find("binary", 1, true))
    assert.equal("it returns nothing; a configuration ends with `return { … }`", failure("").message)
    assert.equal("a configuration is a table, got 1", failure("return 1").message)
    local _, problem = config.load(folder .. "/none.lua")
    assert.truthy(problem.message:find("No such file", 1, true))
    _, problem = config.load(folder)
    assert.equal("config", problem.type)
  end)

  it("is the one that is named, even when it is not there", function()
    assert.equal("nowhere.lua", config.find(folder .. "/p.dsl", "nowhere.lua"))
  end)

  it("else lies beside the program", function()
    local path = write("orchlua.config.lua", "return {}")
    assert.equal(path, config.find(folder .. "/p.dsl"))
  end)

  it("else in the current folder, else nowhere", function()
    write("orchlua.config.lua", "return {}")
    shell("mkdir " .. folder .. "/sub")
    local function find_in(where, program)
      local script = ("cd %s && LUA_PATH='%s' lua5.4 -e 'print(require \"orchlua.config\".find(%s))'")
      local paths = package.path:gsub("%f[^\0;]lua/", os.getenv "PWD" .. "/lua/")
      local pipe = assert(io.popen(script:format(where, paths, program)))
      local answer = pipe:read "l"
      pipe:close()
      return answer
    end
    assert.equal("orchlua.config.lua", find_in(folder, '"sub/p.dsl"'))
    assert.equal("orchlua.config.lua", find_in(folder, '"p.dsl"'))
    assert.equal("orchlua.config.lua", find_in(folder, ""))
    assert.equal("nil", find_in(folder .. "/sub", '"p.dsl"'))
  end)
end)
