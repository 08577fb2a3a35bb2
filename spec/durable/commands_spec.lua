-- The commands on runs, as a person uses them: two processes on one store, signals that
-- reach a live run, runs that wait for days, failures that are mended.

local command = require "spec.support.command"
local core = require "orchlua.core"
local orchlua = require "orchlua"

local json = core.json

describe("with a store, orchlua", function()
  local folder
  local CONFIG = [[
    local function mended() local file = io.open "mended" if file then file:close() end return file ~= nil end
    return {
      agents = {
        hanging = { exec = { "sh", "-c", "echo started >> started; exec sleep 5" } },
        slow = { exec = { "sh", "-c", "sleep 0.4; cat" } },
        broken = function() if not mended() then error "not mended" end return "mended" end,
        ["*"] = function(request) return "<" .. request.prompt .. ">" end,
      },
      functions = { CHECK = function(n) if not mended() then error "cannot check yet" end return n * 2 end },
    }]]

  local function write(name, text)
    local file = assert(io.open(folder .. "/" .. name, "w"))
    file:write(text)
    file:close()
  end

  local function run(arguments, stdin) return command.shell("ORCHLUA_STORE=s.db " .. command.path .. " " .. arguments, folder, stdin) end
  local function shell(text) return command.shell("export ORCHLUA_STORE=s.db O=" .. command.path .. "; " .. text, folder) end
  local function as_json(arguments) return json.decode(run(arguments .. " --output json").out) end

  before_each(function() folder = command.folder { ["orchlua.config.lua"] = CONFIG } end)
  after_each(function() command.remove(folder) end)

  it("lists runs, shows one, and draws its time-line in 80 columns", function()
    write("p.dsl", '## The title\nSTATE list = [1, 2]\nEVENT completion:async {agent_id: "a", prompt: "p"} AS r\nTRACK {done: 1}\n## Next\nAWAIT m FROM go TIMEOUT 86400\n')
    assert.equal(4, run("p.dsl --run-id one --until-parked --quiet").status)
    local list = as_json "runs"
    assert.equal("one", list[1].run_id)
    assert.equal("parked", list[1].status)
    assert.equal("The title", list[1].program)
    assert.matches("one +parked", run("runs").out)
    local shown = as_json "show one"
    assert.equal("main", shown.branches[1].branch)
    assert.equal(6, shown.branches[1].line)
    assert.equal("[1,2]", core.value.text(shown.state.list))
    local text = run("show one").out
    assert.matches("awaits a message from go, with a time%-out for another 23 h", text)
    assert.matches("\n  list +%[1,2%]\n", text)
    for line in run("trace one").out:gmatch "[^\n]+" do assert.is_true(utf8.len(line) <= 80, line) end
    local steps = as_json("trace one").steps
    assert.same({ "start", "request", "event", "event" }, { steps[1].kind, steps[2].kind, steps[3].kind, steps[4].kind })
    assert.equal("a", steps[2].name)
    assert.equal(3, steps[2].line)
  end)

  it("draws wide characters in 80 columns, what was cut off, and says what is left out", function()
    local terminal = require "orchlua.command.terminal"
    local wide = ("日本語"):rep(20)
    write("p.dsl", ('## %s\nPARALLEL:\n  BRANCH %s: EVENT completion:async {agent_id: "%s", prompt: "p"} AS r\n  BRANCH: EVENT completion:async {agent_id: "hanging", prompt: "p"} AS s\n  BRANCH:\n    TRACK {text: "%s"}\n    WAIT 0.1\n    RETURN 1\n'):format(
      wide, wide, wide, wide))
    run "p.dsl --run-id w --quiet"
    local text = run("trace w").out
    for line in text:gmatch "[^\n]+" do assert.is_true(terminal.width(line) <= 80, line) end
    assert.matches("hanging .* cut off", text)
    shell "sqlite3 s.db 'DELETE FROM journal WHERE seq <= 2'"
    assert.matches("2 rows of the journal before these are left out", run("trace w").out)
  end)

  it("takes ids that can be shown and typed, and quotes them where a person copies them", function()
    for _, id in ipairs { "''", "-x", "\"$(printf 'a\\nb')\"", "\"$(printf '\\377')\"" } do
      local r = run("- --quiet --run-id=" .. id, "RETURN 1")
      assert.equal(2, r.status)
      assert.matches("a run's id is text without control characters", r.err)
    end
    assert.matches("orchlua resume 'it is' %-%-store 'a b.db'\n", run("- --run-id 'it is' --store 'a b.db'", 'FAIL "x"').err)
  end)

  it("hands a live run a signal from another process, at once", function()
    write("p.dsl", "AWAIT m FROM go\nRETURN m.answer\n")
    local r = shell [[$O p.dsl --run-id live --quiet & pid=$!; sleep 0.3; date +%s.%N; $O signal live go '{"answer": 42}'; wait $pid; echo $?; date +%s.%N]]
    assert.matches("sent: process %d+ on ", r.out)
    assert.matches("\n42\n", r.out)
    local before, after = r.out:match "^(%S+)\n.*\n0\n(%S+)\n$"
    assert.is_true(tonumber(after) - tonumber(before) < 1.5)
  end)

  it("hands one to a run that never waits, at once", function()
    write("p.dsl", 'TRY:\n  WHILE true:\n    EVENT completion:async {agent_id: "a", prompt: "p"} AS r\nFINALLY:\n  TRACK "over"\n')
    local r = shell [[$O p.dsl --run-id busy --quiet --durability relaxed & pid=$!; sleep 0.3; date +%s.%N; $O cancel busy; wait $pid; echo $?; date +%s.%N]]
    local before, after = r.out:match "^(%S+)\n.*\n3\n(%S+)\n$"
    assert.is_true(tonumber(after) - tonumber(before) < 1.5)
  end)

  it("keeps a signal for a run that nobody drives, and hands it over when it goes on", function()
    write("p.dsl", "AWAIT m FROM go\nRETURN m.output\n")
    assert.matches("orchlua: it awaits a message: orchlua signal later go VALUE\n", run("p.dsl --run-id later --until-parked").err, 1, true)
    assert.matches("nobody drives the run", run("signal later go hello").out)
    assert.equal("hello\n", run("resume later --quiet").out)
    assert.equal(2, run("signal later go again").status)
    assert.equal(2, run("resume later").status)
  end)

  it("sends a text as it is, but none that was to be JSON", function()
    write("p.dsl", "AWAIT m FROM go\nRETURN m.output\n")
    run "p.dsl --run-id r --until-parked --quiet"
    local out = run [[signal r go '{"answer": yes}']]
    assert.equal(2, out.status)
    assert.equal("", out.out)
    assert.matches('error: the signal\'s value is no JSON: expected a value at byte 12\n  {"answer": yes}\n             ^\n  hint: ', out.err, 1, true)
    assert.matches("expected `,` or `]` at byte 6", run("signal r go '[draft'").err .. run("signal r go '[1, 2'").err, 1, true)
    assert.equal(0, run([[signal r go 'a {"b": 1} in it']]).status)
    assert.equal('a {"b": 1} in it\n', run("resume r --quiet").out)
  end)

  it("says what to do before a failed run takes a signal", function()
    write("p.dsl", "FAIL 'no'\n")
    run "p.dsl --run-id f --quiet"
    local out = run "signal f go"
    assert.equal(2, out.status)
    assert.matches("error: the run `f` has ended: failed\n  hint: go on with it first: orchlua resume f", out.err, 1, true)
    assert.is_nil(run("cancel f").err:find("hint", 1, true))
  end)

  it("lets one process drive a run: the other says who does", function()
    write("p.dsl", 'EVENT completion:async {agent_id: "slow", prompt: "done"} AS r\nRETURN r.output\n')
    local r = shell "$O p.dsl --run-id one --quiet & sleep 0.2; $O resume one; echo $?; wait"
    assert.matches("the run `one` is being driven by process %d+ on ", r.err)
    assert.equal("2\ndone\n", r.out)
    assert.matches("a run of the id `one` exists", run("p.dsl --run-id one").err)
    assert.equal(2, run("p.dsl --run-id one").status)
  end)

  it("goes on right after its driver was killed, and asks again under the same key", function()
    write("p.dsl", 'EVENT completion:async {agent_id: "a", prompt: "1"} AS a\nEVENT completion:async {agent_id: "slow", prompt: "2"} AS b\nRETURN a.output + b.output + b.request_id + b.attempts\n')
    local r = shell "$O p.dsl --run-id one --quiet & pid=$!; sleep 0.3; kill -9 $pid; wait $pid; $O runs; $O resume one --quiet"
    assert.matches("one +cut off", r.out)
    assert.matches("<1>2one/22\n$", r.out)
  end)

  it("goes on with a failed run at the statement that failed", function()
    write("p.dsl", 'STATE n = 0\nUPDATE n = n + 1\nSTATE x = CHECK(n) + 1\nEVENT completion:async {agent_id: "broken", prompt: ""} AS r\nRETURN {n: n, x: x, r: r.output}\n')
    local r = run "p.dsl --run-id f"
    assert.equal(1, r.status)
    assert.matches("p.dsl:3:%d+: error: .*cannot check yet", r.err)
    assert.matches("to go on from that statement: orchlua resume f\n", r.err)
    assert.matches("f +failed.*cannot check yet", run("runs").out)
    write("mended", "")
    assert.equal('{\n  "n": 1,\n  "x": 3,\n  "r": "mended"\n}\n', run("resume f --quiet").out)
  end)

  it("hands a run over to a corrected program, at the statement where it stands", function()
    local head = 'STATE list = []\nFOREACH i IN RANGE(3):\n  APPEND list i\n'
    write("p.dsl", head .. '  IF i == 1:\n    EVENT completion:async {agent_id: "broken", prompt: ""} AS r\nRETURN list\n')
    assert.equal(1, run("p.dsl --run-id f --quiet").status)
    -- Comments, layout and what follows may change, and so may the statement itself.
    write("q.dsl", '# corrected\n' .. head:gsub("  ", "    ") .. '    IF i == 1:\n        APPEND list "mended"  # no agent\n    APPEND list "turn {{i}}"\nRETURN JOIN(list, " ")\n')
    assert.equal("0 1 mended turn 1 2 turn 2\n", run("resume f --program q.dsl --quiet").out)
    assert.equal("q.dsl", as_json("show f").file)
  end)

  it("carries the names of loops and handlers over, and keeps on from a kill after that", function()
    write("p.dsl", 'STATE out = []\nFOREACH k, v IN {a: 1, b: 2}:\n  TRY:\n    FOREACH i IN [5, 6]:\n      APPEND out "{{k}}{{v}}{{i}}"\n      STATE x = CHECK(i)\n  FINALLY:\n    APPEND out "f"\n')
    assert.equal(1, run("p.dsl --run-id f --quiet").status)
    write("q.dsl", 'STATE out = []\nFOREACH k, v IN {a: 1, b: 2}:\n  TRY:\n    FOREACH i IN [5, 6]:\n      APPEND out "{{k}}{{v}}{{i}}"\n      EVENT completion:async {agent_id: "slow", prompt: "{{i}}"} AS r\n      APPEND out r.output\n  FINALLY:\n    APPEND out "f"\nRETURN JOIN(out, " ")\n')
    local r = shell "$O resume f --program q.dsl --quiet & pid=$!; sleep 0.6; kill -9 $pid; wait $pid 2>/dev/null; $O resume f --quiet"
    assert.equal("a15 5 a16 6 f b25 5 b26 6 f\n", r.out)
  end)

  it("hands a run over that has waited long enough to be kept as a snapshot", function()
    local rt = assert(orchlua.runtime { store = folder .. "/s.db", config = { agents = {} } })
    write("p.dsl", "AWAIT m FROM person\nRETURN 1\n")
    write("q.dsl", "AWAIT m FROM somebody\nRETURN m.output\n")
    local started = assert(rt:start(assert(orchlua.compile("AWAIT m FROM person\nRETURN 1\n", { name = "p.dsl" })), { run_id = "w" }))
    rt:loop { until_parked = true }
    rt.journal:snapshot(started)
    rt:close()
    run "signal w somebody hello"
    assert.equal("hello\n", run("resume w --program q.dsl --quiet").out)
  end)

  it("says what does not match when an edited program cannot take over", function()
    write("p.dsl", 'STATE a = 1\nIF a == 1:\n  STATE b = 2\n  STATE x = CHECK(b)\nRETURN x\n')
    run "p.dsl --run-id f --quiet"
    write("q.dsl", 'STATE a = 1\nIF a == 1:\n  STATE b = 3\n  STATE x = CHECK(b)\nRETURN x\n')
    local r = run "resume f --program q.dsl --quiet"
    assert.equal(2, r.status)
    assert.matches("cannot take over: line 3, `STATE b = 2`, is `STATE b = 3` on line 3 of the new program", r.err)
    write("q.dsl", 'STATE a = 1\nIF a == 2:\n  STATE b = 2\n  STATE x = 1\nRETURN x\n')
    assert.matches("line 2, `IF a == 1", run("resume f --program q.dsl --quiet").err)
    write("mended", "")
    assert.equal("4\n", run("resume f --quiet").out)
    write("p.dsl", 'PARALLEL:\n  BRANCH: EVENT completion:async {agent_id: "slow", prompt: "x"} AS r\nRETURN r.output\n')
    assert.matches("branches of a PARALLEL are alive",
      shell("$O p.dsl --run-id par --quiet & pid=$!; sleep 0.25; kill -9 $pid; wait $pid; $O resume par --program p.dsl --quiet").err)
  end)

  it("says where clauses, and statements within others, do not match", function()
    local text = table.concat({ "FOREACH i IN [1]:", "  IF i == 1:", "    STATE a = 1", "SWITCH 1:", "  CASE 1:", "    TRY:", "      FAIL 1",
      "    CATCH e:", "      STATE x = CHECK(1)", "    FINALLY:", "      STATE y = 1", "  DEFAULT:", "    STATE z = 1" }, "\n") .. "\n"
    write("p.dsl", text)
    run "p.dsl --run-id f --quiet"
    for _, case in ipairs {
      { "STATE a = 1", "STATE a = 2", "line 3, `STATE a = 1`, is `STATE a = 2` on line 3 of the new program" },
      { "STATE a = 1", "STATE a = 1\n    STATE b = 1", "`STATE b = 1` on line 4 of the new program was not there" },
      { "    STATE a = 1", "    # nothing", "line 3, `STATE a = 1`, is not there any more" },
      { "CATCH e", "CATCH f", "line 8, `CATCH e`, is `CATCH f` on line 8 of the new program" },
      { "CASE 1", "CASE 1, 2", "line 5, `CASE 1`, is `CASE 1, 2` on line 5 of the new program" },
      { "DEFAULT", "CASE 2", "line 4, `DEFAULT`, is `CASE 2` on line 12 of the new program" },
      { "    FINALLY:\n      STATE y = 1\n", "", "line 6, `FINALLY`, is not there any more" },
    } do
      write("q.dsl", (text:gsub(case[1], case[2], 1)))
      local err = run("resume f --program q.dsl --quiet").err
      assert.is_truthy(err:find("cannot take over: " .. case[3], 1, true), err)
    end
  end)

  it("cancels a run that somebody else takes in the very moment", function()
    write("p.dsl", "AWAIT m FROM go\n")
    run "p.dsl --run-id one --until-parked --quiet"
    local signal, cancel = require "orchlua.command.signal", require "orchlua.command.cancel"
    local send, path = signal.send, folder .. "/s.db"
    local rt = assert(orchlua.runtime { store = path, config = { agents = {} } })
    local taken
    function signal.send(...)
      local status = send(...)
      taken = assert(rt:resume "one")
      return status
    end
    local status = cancel.main { run = "one", store = path, output = "json" }
    signal.send = send
    rt:loop()
    rt:close()
    assert.equal(0, status)
    assert.equal("cancelled", taken.status)
  end)

  it("cancels a run, whoever drives it", function()
    write("p.dsl", 'TRY:\n  WAIT 1000\nFINALLY:\n  EVENT completion:async {agent_id: "a", prompt: "bye"} AS r\n  EVENT state:entity:update {type: "end", id: "e", properties: {said: r.output}}\n')
    local r = shell "$O p.dsl --run-id one & pid=$!; sleep 0.3; $O cancel one --reason enough; wait $pid; echo $?"
    assert.matches("^cancelled: process %d+.*\n3\n$", r.out)
    assert.matches("was cancelled: enough", r.err)
    run "p.dsl --run-id two --until-parked --quiet"
    assert.equal("cancelled\n", run("cancel two").out)
    assert.equal("cancelled", as_json("show two").status)
    assert.equal(2, run("cancel two").status)
  end)

  it("resumes all that is due, and leaves what is not", function()
    write("p.dsl", 'INPUT seconds\nWAIT seconds\nEVENT completion:async {agent_id: "a", prompt: "x"} AS r\nRETURN r.output\n')
    run "p.dsl --run-id soon --input seconds=0.2 --until-parked --quiet"
    run "p.dsl --run-id late --input seconds=5000 --until-parked --quiet"
    shell "$O p.dsl --run-id cut --input seconds=0.3 --quiet & sleep 0.15; kill -9 $!; sleep 0.3"
    local r = run "resume --all"
    assert.equal(0, r.status)
    assert.equal("completed", as_json("show soon").status)
    assert.equal("completed", as_json("show cut").status)
    assert.equal("parked", as_json("show late").status)
  end)

  it("stays with --wait, and drives what becomes due", function()
    write("p.dsl", "AWAIT m FROM go TIMEOUT 1000\nRETURN m.output\n")
    run "p.dsl --run-id w --until-parked --quiet"
    local r = shell "$O resume --all --wait & pid=$!; sleep 0.3; $O signal w go hello >/dev/null; sleep 0.6; kill -INT $pid; wait $pid; echo $?; $O show w"
    assert.matches("^130\n", r.out)
    assert.matches("status   completed", r.out)
    assert.matches("result   \"hello\"", r.out)
  end)

  it("lets no run that is due wait for what another one asks, whatever their configurations are", function()
    write("slow.dsl", 'EVENT completion:async {agent_id: "hanging", prompt: ""} AS r\n')
    write("soon.dsl", "WAIT 1.2\nRETURN 1\n")
    shell("mkdir other; sed 's/sleep 5/sleep 6/' orchlua.config.lua >other/orchlua.config.lua; cp slow.dsl other")
    shell "for f in slow.dsl other/slow.dsl; do $O $f --run-id $(dirname $f)x --quiet & pid=$!; sleep 0.3; kill -9 $pid; wait $pid 2>/dev/null; done"
    run "soon.dsl --run-id soon --until-parked --quiet"
    local r = shell "$O resume --all --wait & pid=$!; sleep 2; $O show soon; kill -INT $pid; wait $pid; echo $?"
    assert.matches("status   completed.*\n130\n$", r.out)
    assert.matches("soon  completed\n", r.err)
    assert.matches("otherx  was stopped, and is kept", r.err)
  end)

  it("goes through all that is due, however many there are", function()
    local queries, resume = require "orchlua.store.queries", require "orchlua.command.resume"
    local at_once = queries.DUE_AT_ONCE
    write("p.dsl", "WAIT 0.01\nRETURN 1\n")
    for i = 1, 7 do run(("p.dsl --run-id r%d --until-parked --quiet"):format(i)) end
    shell "sleep 0.1"
    queries.DUE_AT_ONCE = 3
    local status = resume.main { all = true, store = folder .. "/s.db", output = "text", quiet = true }
    queries.DUE_AT_ONCE = at_once
    assert.equal(0, status)
    for _, one in ipairs(as_json "runs") do assert.equal("completed", one.status) end
  end)

  it("says once of a run that it cannot go on with it, and goes on with it when that is mended", function()
    write("p.dsl", "WAIT 0.1\nRETURN 1\n")
    run "p.dsl --run-id r --until-parked --quiet"
    local r = shell "mv orchlua.config.lua away; sleep 0.1; $O resume --all --wait & pid=$!; sleep 0.8; mv away orchlua.config.lua; $O signal r x >/dev/null; sleep 0.5; kill -INT $pid; wait $pid"
    assert.equal(1, select(2, r.err:gsub("error: cannot open", "")))
    assert.matches("r  completed", r.err)
  end)

  it("goes on with sub-runs, each where it stood", function()
    write("child.dsl", 'INPUT n\nEVENT completion:async {agent_id: "a", prompt: "child {{n}}"} AS a\nEVENT completion:async {agent_id: "slow", prompt: "slow {{n}}"} AS b\nRETURN a.output + b.output + b.attempts\n')
    write("p.dsl", 'EVENT orchestration:run {file: "child.dsl", input: {n: 7}} AS r\nRETURN "parent got " + r\n')
    local r = shell "$O p.dsl --run-id one --quiet & pid=$!; sleep 0.35; kill -9 $pid; wait $pid 2>/dev/null; $O resume --all; $O show one --output json; $O runs"
    assert.matches('"result": "parent got <child 7>slow 72"', r.out)
    assert.matches("one/1 +completed", r.out)
  end)

  it("stops a sub-run with its parent, and goes on with both", function()
    write("child.dsl", 'INPUT n\nEVENT completion:async {agent_id: "slow", prompt: "slow {{n}}"} AS b\nRETURN b.output + b.attempts\n')
    write("p.dsl", 'EVENT orchestration:run {file: "child.dsl", input: {n: 7}} AS r\nRETURN "parent got " + r\n')
    local r = shell "$O p.dsl --run-id one --quiet & pid=$!; sleep 0.35; kill -INT $pid; wait $pid; echo $?; $O runs; $O resume --all; $O show one --output json; $O runs"
    assert.matches("^130\n", r.out)
    assert.matches('"result": "parent got slow 72"', r.out)
    assert.matches("one/1 +completed", r.out)
  end)

  it("tells the branch of a request that a resume sends again", function()
    write("p.dsl", 'PARALLEL:\n  BRANCH left:\n    EVENT completion:async {agent_id: "broken", prompt: "", on_error: "raise"} AS r\n')
    assert.equal(1, run("p.dsl --run-id b --quiet").status)
    write("mended", "")
    assert.matches('"type":"completion:async","agent_id":"broken","branch":"left"', run("resume b --output events --quiet").out)
  end)

  it("writes each line of --output events again after a resume, with the same seq", function()
    write("p.dsl", 'EVENT completion:async {agent_id: "a", prompt: "1"} AS a\nTRACK {t: TIMESTAMP()}\nEVENT completion:async {agent_id: "slow", prompt: "2"} AS b\nRETURN b.output\n')
    local r = shell "$O p.dsl --run-id e --output events --quiet >first & pid=$!; sleep 0.3; kill -9 $pid; wait $pid; $O resume e --output events --quiet >second"
    assert.equal(0, r.status)
    local first, seen = {}, {}
    for line in io.lines(folder .. "/first") do first[json.decode(line).seq] = line end
    for line in io.lines(folder .. "/second") do
      local record = json.decode(line)
      seen[#seen + 1] = record.type
      if first[record.seq] then assert.equal(first[record.seq], line) end
    end
    assert.is_truthy(next(first))
    assert.same({ "run:started", "completion:async", "reply", "track", "completion:async", "run:resumed", "reply", "run:completed" }, seen)
  end)

  it("deletes what ended long ago", function()
    run("-", "RETURN 1")
    assert.matches("^0 runs deleted", run("runs --prune").out)
    assert.matches("^1 run deleted", run("runs --prune --older-than 0").out)
    assert.equal("no runs\n", run("runs").out)
  end)

  it("refuses options of which one would be passed over", function()
    run("- --run-id kept", "RETURN 1")
    for arguments, says in pairs {
      ["runs --prune --older-than 0 --status failed"] = "--prune does not go with --status: it deletes whatever ended long ago",
      ["runs --prune --older-than 0 --limit 1"] = "--prune does not go with --limit: it deletes whatever ended long ago",
      ["runs --older-than 5"] = "--older-than goes with --prune only",
      ["runs --prune --older-than=-1"] = "expected a number of days from 0, and got `-1`",
      ["resume kept --wait"] = "--wait goes with --all only",
      ["resume kept --all"] = "resume takes a RUN, or --all",
      ["resume --all --program p.dsl"] = "--all does not go with --program: a corrected program takes over one run",
      ["resume --all --wait --until-parked"] = "--wait does not go with --until-parked: it stays when all that is left is waiting",
    } do
      local r = run(arguments)
      assert.equal(2, r.status, arguments)
      assert.matches(says, r.err, 1, true)
    end
    assert.matches("^kept ", run("runs").out:match "\n(.*)")
  end)

  it("lists the runs that stand as they are asked for, of however many", function()
    write("wait.dsl", "AWAIT x FROM person\n")
    write("hang.dsl", 'WAIT 0.01\nEVENT completion:async {agent_id: "hanging", prompt: ""} AS r\n')
    shell "$O hang.dsl --run-id hung --quiet & pid=$!; while [ ! -e started ]; do sleep 0.05; done; kill -9 $pid; wait $pid"
    shell "for i in 1 2 3; do $O wait.dsl --run-id w$i --until-parked --quiet; done; echo 'RETURN 1' | $O - --run-id done --quiet"
    local function ids(arguments)
      local list = {}
      for i, listed in ipairs(as_json("runs " .. arguments)) do list[i] = listed.run_id end
      return table.concat(list, " ")
    end
    assert.equal("hung", ids "--status cut-off --limit 1")
    assert.equal("w3 w2 w1", ids "--status parked")
    assert.equal("w3 w2", ids "--status parked --limit 2")
    assert.equal("", ids "--status running")
    assert.equal("done", ids "--status completed")
    assert.equal("done w3 w2 w1 hung", ids "")
  end)

  it("lists no number of steps for a run that is not at rest: nobody knows it", function()
    write("hang.dsl", 'WAIT 0.01\nEVENT completion:async {agent_id: "hanging", prompt: ""} AS r\n')
    shell "$O hang.dsl --run-id hung --quiet & pid=$!; while [ ! -e started ]; do sleep 0.05; done; kill -9 $pid; wait $pid"
    assert.equal(core.value.null, as_json("runs")[1].steps)
    assert.matches("hung +cut off +%S+ %S+ +%-  hang.dsl\n", run("runs").out)
    run("- --run-id ended --quiet", "WAIT 0.01")
    assert.equal(1, as_json("runs --status completed")[1].steps)
  end)

  it("goes on with a failed run however long ago it failed, and keeps it when that cannot be", function()
    write("p.dsl", 'STATE n = 1\nSTATE x = CHECK(n)\nRETURN x\n')
    assert.equal(1, run("p.dsl --run-id f --quiet").status)
    shell "sqlite3 s.db 'UPDATE run SET changed = 1'"
    write("q.dsl", "STATE n = 2\nSTATE x = CHECK(n)\nRETURN x\n")
    assert.equal(2, run("resume f --program q.dsl --quiet").status)
    assert.equal(1, run("resume f --quiet").status)
    shell "sqlite3 s.db 'UPDATE run SET changed = 1'"
    write("mended", "")
    assert.equal("2\n", run("resume f --quiet").out)
    shell "sqlite3 s.db 'UPDATE run SET changed = 1'"
    run("-", "RETURN 1")
    assert.equal(2, run("show f").status)
  end)

  it("says what is wrong in a sentence", function()
    assert.matches("there is no store at s.db", run("runs").err)
    run("-", "RETURN 1")
    assert.matches("there is no run `nobody`", run("show nobody").err)
    assert.matches("resume takes a RUN, or %-%-all", run("resume").err)
    assert.equal(2, run("resume").status)
  end)

  it("refuses requests that may be sent only once, when their outcome is unknown", function()
    write("p.dsl", 'TRY:\n  EVENT completion:async {agent_id: "slow", prompt: "2", at_most_once: true} AS b\nCATCH e:\n  RETURN e.type\nRETURN "sent twice"\n')
    local r = shell "$O p.dsl --run-id one --quiet & pid=$!; sleep 0.25; kill -9 $pid; wait $pid; $O resume one --quiet"
    assert.equal("unknown_outcome\n", r.out)
  end)

  it("gives a request up that was in flight in five crashes", function()
    write("p.dsl", 'EVENT completion:async {agent_id: "hanging", prompt: "2"} AS b\n')
    local r = shell [[
      crash() { "$@" --quiet & pid=$!; n=$((n + 1)); while [ "$(wc -l 2>/dev/null < started)" != $n ]; do sleep 0.02; done; kill -9 $pid; wait $pid 2>/dev/null; }
      touch started; n=0; crash $O p.dsl --run-id one
      for i in 1 2 3 4; do crash $O resume one; done
      $O resume one --quiet; echo $?]]
    assert.equal("1\n", r.out)
    assert.matches("crashed 5 times while it was in flight", r.err)
  end)
end)
