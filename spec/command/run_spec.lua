local command = require "spec.support.command"
local core = require "orchlua.core"

local json, value = core.json, core.value

local CONFIG = [[
local orchlua = require "orchlua"
return { agents = {
  echo = function(request) return "<" .. request.prompt .. ">" end,
  broken = function() error("out of order", 0) end,
  slow = function() orchlua.sleep(30) return "late" end,
  cat = { exec = { "cat" } },
  o = function() error("out of order", 0) end,
} }
]]

local folder

local function run(program, arguments, stdin)
  local file = assert(io.open(folder .. "/p.dsl", "wb"))
  file:write(program)
  file:close()
  return command.run("p.dsl " .. (arguments or ""), folder, stdin)
end

describe("orchlua FILE", function()
  before_each(function() folder = command.folder { ["orchlua.config.lua"] = CONFIG } end)
  after_each(function() command.remove(folder) end)

  it("prints the result as text, and nothing else, on standard output", function()
    local r = run 'EVENT completion:async {agent_id: "echo", prompt: "hi"} AS r\nRETURN r.output'
    assert.equal("<hi>\n", r.out)
    assert.equal(0, r.status)
    assert.matches("completed", r.err)
    assert.equal('{\n  "a": 1\n}\n', run("RETURN {a: 1}").out)
    assert.equal("", run("STATE x = 1").out)
  end)

  it("says nothing on standard error with --quiet, but errors", function()
    assert.equal("", run('EVENT agent:status {a: 1} AS x', "--quiet").err)
    assert.matches("error: no", run('FAIL "no"', "--quiet").err)
  end)

  it("says which agent has failed, whatever its name", function()
    local ask = 'EVENT completion:async {agent_id: "%s", prompt: ""} AS r\nRETURN r'
    assert.matches("error: agent `o`: out of order\n", run(ask:format "o").err)
    assert.matches("error: no agent `x` in", run(ask:format "x").err)
    assert.matches("error: pattern pipeline: the parameter", run("EVENT pattern:pipeline {} AS r\nRETURN r").err)
    assert.matches("error: pattern consensus: `rule` is", run('EVENT pattern:consensus {participants: ["o"], proposal: "", rule: 0.1} AS r\nRETURN r').err)
  end)

  it("prints one object with --output json", function()
    local r = run('## Title\nSTATE x = 1\nSTATE l = [x]\nAPPEND l l\nRETURN x', "--output json --run-id r1")
    local object = json.decode(r.out)
    assert.equal("run_id,program,status,result,state,error,usage,duration", table.concat(object, ","))
    assert.equal("r1", object.run_id)
    assert.equal("Title", object.program)
    assert.equal("completed", object.status)
    assert.equal('{"x":1,"l":[1,"(cycle)"]}', value.text(object.state))
  end)

  it("prints a line for each event with --output events", function()
    local r = run('TRACK {n: 1}\nEVENT completion:async {agent_id: "echo", prompt: "hi"} AS r\nEVENT agent:status {status: "s"}\nEVENT my:own {a: 1}', "--output events --virtual-time --seed 3")
    local types, last = {}, 0
    for line in r.out:gmatch "[^\n]+" do
      local record = assert(json.decode(line))
      types[#types + 1] = record.type
      assert.equal("seq", record[1])
      assert.is_true(record.seq > last)
      assert.is_number(record.time)
      last = record.seq
    end
    assert.equal("run:started track completion:async reply agent:status my:own run:completed", table.concat(types, " "))
  end)

  it("has the exit status of what happened", function()
    assert.equal(0, run("RETURN 1").status)
    assert.equal(1, run("STATE x = 1 / 0").status)
    assert.equal(2, run("STATE x = ").status)
    assert.equal(2, run("INPUT x").status)
    assert.equal(3, run('EVENT orchestration:request_termination {reason: "r"}').status)
    assert.equal(4, run("AWAIT x FROM approval", "--until-parked").status)
    assert.equal(2, run("RETURN 1", "--nonsense").status)
    assert.equal(2, run("RETURN 1", "--config missing.lua").status)
    assert.equal(2, command.run("missing.dsl", folder).status)
  end)

  it("shows an error with file, line, column, the source line and a caret", function()
    local r = run 'STATE review = null\nSTATE x = review.vote'
    assert.matches("p%.dsl:2:11: error: `review` is null, so `%.vote` cannot be read\n", r.err)
    assert.matches("STATE x = review%.vote\n", r.err)
    assert.matches("\n            %^~~~", r.err)
  end)

  it("reports every error of a program at once", function()
    local r = run "STATE x = \nSTATE y = nope\nWHILE true\n  BREAK\nif x: RETURN 1\n"
    assert.equal(2, r.status)
    local count = select(2, r.err:gsub("error:", ""))
    assert.is_true(count >= 3)
  end)

  it("takes inputs as JSON or text, and from a file", function()
    local program = "INPUT a\nINPUT b = 5\nRETURN [a, b]"
    assert.equal('["x",[1]]', (run(program, "--input a=x --input 'b=[1]' --output json").out:match('"result": (%b[])'):gsub("%s", "")))
    local file = io.open(folder .. "/in.json", "w")
    file:write '{"a": {"k": 1}}'
    file:close()
    assert.equal('[{"k":1},5]', (run(program, "--input-file in.json --output json").out:match('"result": (%b[])'):gsub("%s", "")))
    assert.matches("needs the input `a`", run(program).err)
    local wrong = run(program, [[--input 'a={"words": 200']])
    assert.equal(2, wrong.status)
    assert.matches("error: the input `a` is no JSON: .- at byte %d+\n  {\"words\": 200\n.*hint: a text that begins so is given as a JSON string", wrong.err)
    assert.equal("[draft]\n", run("INPUT a\nRETURN a", [[--input 'a="[draft]"']]).out)
    assert.matches("declares no input `z`", run(program, "--input a=1 --input z=1").err)
  end)

  it("reads a program from standard input", function()
    assert.equal("3\n", command.run("-", folder, "RETURN 1 + 2").out)
  end)

  it("gives the same bytes twice with --virtual-time --seed", function()
    local program = [[
STATE xs = []
PARALLEL(limit: 2):
  FOREACH i IN RANGE(6):
    WAIT RANDOM()
    EVENT completion:async {agent_id: i % 2 == 0 ? "echo" : "cat", prompt: "{{UUID()}}"} AS r
    APPEND xs r.output
RETURN {xs: xs, t: TIMESTAMP()}
]]
    local first = run(program, "--virtual-time --seed 7 --output events --quiet")
    local second = run(program, "--virtual-time --seed 7 --output events --quiet")
    assert.equal(0, first.status)
    assert.equal(first.out, second.out)
    assert.not_equal(first.out, run(program, "--virtual-time --seed 8 --output events --quiet").out)
    assert.matches('"run_id":"seed%-7"', first.out)
  end)

  it("refuses a program that asks agents when there are none, before anything runs", function()
    os.remove(folder .. "/orchlua.config.lua")
    local r = run 'EVENT agent:status {a: 1}\nEVENT completion:async {agent_id: "a", prompt: ""}'
    assert.equal(2, r.status)
    assert.matches("no configuration names any", r.err)
    assert.equal("", r.out)
    assert.equal(0, run("RETURN 1").status)
  end)

  it("refuses one whose sub-runs ask agents too, where it names their files", function()
    os.remove(folder .. "/orchlua.config.lua")
    assert(os.execute("mkdir -p " .. folder .. "/below"))
    for name, text in pairs {
      ["child.dsl"] = 'EVENT orchestration:run {file: "below/grandchild.dsl"} AS r\nRETURN r\n', ["quiet.dsl"] = "RETURN 7\n",
      ["below/grandchild.dsl"] = 'EVENT orchestration:run {file: "grandchild.dsl"}\nSEND a "hello"\n',
      ["again.dsl"] = 'EVENT orchestration:run {file: "again.dsl"} AS r\nRETURN 1\n',
    } do
      local file <close> = assert(io.open(folder .. "/" .. name, "w"))
      file:write(text)
    end
    local r = run 'TRACK "begun"\nEVENT orchestration:run {input: {}, file: "child.dsl"} AS r\nRETURN r'
    assert.equal(2, r.status)
    assert.matches("below/grandchild.dsl asks agents, and no configuration names any", r.err)
    assert.is_nil(r.err:find "begun")
    assert.equal("7\n", run('EVENT orchestration:run {file: "quiet.dsl"} AS r\nRETURN r').out)
    -- What is not in the text, or cannot be had, is found out under way.
    assert.equal(0, run('STATE name = "child.dsl"\nEVENT orchestration:run {file: name} AS r').status)
    assert.equal("none\n", run('TRY:\n  EVENT orchestration:run {file: "missing.dsl"} AS r\nCATCH:\n  RETURN "none"').out)
    assert.equal("limit\n", run('TRY:\n  EVENT orchestration:run {file: "again.dsl"} AS r\nCATCH e:\n  RETURN e.type').out)
  end)

  it("keeps a run in a store on Ctrl-C, and says how to go on", function()
    local file = io.open(folder .. "/p.dsl", "w")
    file:write 'TRY:\n  EVENT completion:async {agent_id: "slow", prompt: ""} AS r\nFINALLY:\n  EVENT agent:status {status: "cleaned up"}\n'
    file:close()
    local r = command.shell(command.path .. " p.dsl --run-id kept & pid=$!; sleep 0.5; kill -INT $pid; wait $pid", folder)
    assert.equal(130, r.status)
    assert.is_nil(r.err:find "cleaned up")
    assert.matches("run kept is kept; to go on: orchlua resume kept\n", r.err)
    assert.matches('"status": "cut off"', command.run("show kept --output json", folder).out)
  end)

  it("cancels a run in memory on Ctrl-C, with FINALLY", function()
    local file = io.open(folder .. "/p.dsl", "w")
    file:write 'TRY:\n  EVENT completion:async {agent_id: "slow", prompt: ""} AS r\nFINALLY:\n  EVENT agent:status {status: "cleaned up"}\n'
    file:close()
    local r = command.shell(command.path .. " p.dsl --store :memory: & pid=$!; sleep 0.5; kill -INT $pid; wait $pid", folder)
    assert.equal(130, r.status)
    assert.matches("cleaned up", r.err)
    assert.matches("stopped by a signal", r.err)
  end)

  it("stops at once on a second Ctrl-C", function()
    local file = io.open(folder .. "/p.dsl", "w")
    file:write "TRY:\n  WAIT 100\nFINALLY:\n  WAIT 100\n"
    file:close()
    local r = command.shell(command.path .. " p.dsl --store :memory: & pid=$!; sleep 0.4; kill -TERM $pid; sleep 0.4; kill -TERM $pid; wait $pid", folder)
    assert.equal(143, r.status)
  end)

  it("uses no processor time while it only waits", function()
    local r = command.shell("echo 'WAIT 1.5' > w.dsl; bash -c 'time -p " .. command.path .. " w.dsl --quiet'", folder)
    assert.equal(0, r.status)
    assert.is_true(tonumber(r.err:match "user ([%d.]+)") < 0.8, r.err)
  end)

  it("stops a loop that never waits on Ctrl-C", function()
    local file = io.open(folder .. "/p.dsl", "w")
    file:write "STATE x = 0\nWHILE true:\n  UPDATE x = 1\n"
    file:close()
    local r = command.shell(command.path .. " p.dsl --quiet --max-steps 100000000000 & pid=$!; sleep 0.5; kill -INT $pid; wait $pid", folder)
    assert.equal(130, r.status)
    assert.matches("is kept; to go on", r.err)
  end)

  it("prints records as they were, whatever the program does with the values later", function()
    local r = run('EVENT agent:status {a: 1} AS s\nUPDATE s.a = 2\nEVENT completion:async {agent_id: "echo", prompt: "p"} AS r\nUPDATE r.output = "changed"', "--output events --quiet")
    assert.matches('"data":{"a":1}', r.out)
    assert.matches('"output":"<p>"', r.out)
    assert.is_nil(r.out:find "changed")
  end)

  it("has help with examples, and a version", function()
    assert.matches("Examples:", command.run("--help", folder).out)
    assert.matches("%-%-virtual%-time", command.run("run --help", folder).out)
    assert.matches("^orchlua %d", command.run("--version", folder).out)
    assert.equal(2, command.run("", folder).status)
  end)

  it("says which command a misspelt word was meant to be, unless a file is called so", function()
    local out = command.run("chekc x.dsl", folder)
    assert.equal(2, out.status)
    assert.matches("^orchlua: unknown command `chekc`; did you mean `check`%?\n", out.err)
    assert.matches("cannot read other: No such file or directory\n  hint: `orchlua --help` lists the commands", command.run("other", folder).err, 1, true)
    command.shell("echo 'RETURN 1' >chekc", folder)
    assert.equal("1\n", command.run("chekc --quiet", folder).out)
  end)

  it("says where more is told of what is wrong on the command line", function()
    assert.matches("missing argument 'name'\n`orchlua signal --help` tells more.", command.run("signal x", folder).err, 1, true)
    assert.matches("`orchlua run --help` tells more.", command.run("p.dsl --nope", folder).err, 1, true)
  end)

  it("takes limits that are numbers of what they limit, each once", function()
    for arguments, says in pairs {
      ["cost=1,cost=2"] = "the limit of cost is given twice", ["calls=1.5"] = "and got `calls=1.5`", ["tokens=0.5"] = "and got `tokens=0.5`",
      ["seconds=-1"] = "and got `seconds=-1`", ["price=1"] = "and got `price=1`", ["calls"] = "and got `calls`",
    } do
      local r = run("RETURN 1", "--budget " .. arguments)
      assert.equal(2, r.status, arguments)
      assert.matches(says, r.err, 1, true)
    end
    assert.equal("1\n", run("RETURN 1", "--budget cost=0.5,calls=1e2,seconds=0.5,tokens=10").out)
  end)

  it("names the inputs that there are for one that there is not", function()
    assert.matches("declares no input `tpic`\n  hint: did you mean `topic`?", run("INPUT topic\nINPUT n\n", "--input tpic=1").err, 1, true)
    assert.matches("declares no input `other`\n  hint: it has topic, n", run("INPUT topic\nINPUT n\n", "--input other=1").err, 1, true)
    assert.is_nil(run("RETURN 1\n", "--input x=1").err:find "hint")
    command.shell("echo 'INPUT topic' >sub.dsl", folder)
    local sub = 'EVENT orchestration:run {file: "sub.dsl", input: %s} AS s\n'
    assert.matches("hint: did you mean `topic`?", run(sub:format "{tpic: 1}").err, 1, true)
    assert.matches("hint: give it in `input` of orchestration:run", run(sub:format "{}").err, 1, true)
  end)

  it("says what may have been meant by a file that is not there", function()
    run "RETURN 1\n"
    assert.matches("hint: did you mean `p.dsl`?", command.run("p", folder).err, 1, true)
    assert.matches("hint: `#` chooses a program of a .md file", command.run("'p.dsl#1'", folder).err, 1, true)
  end)
end)

describe("orchlua FILE.md", function()
  before_each(function()
    folder = command.folder { ["two.md"] = "---\nname: x\n---\n# Doc\n```\n## First: one\nRETURN 1\n```\ntext\n```dsl\n## Second\nRETURN 1 / 0\n```\n```js\nnothing\n```\n" }
  end)
  after_each(function() command.remove(folder) end)

  it("lists the programs, and runs one by slug, prefix or number", function()
    local r = command.run("two.md", folder)
    assert.equal(2, r.status)
    assert.matches("two%.md#first%-one", r.err)
    assert.equal("1\n", command.run("'two.md#first'", folder).out)
    assert.equal("1\n", command.run("'two.md#1'", folder).out)
    assert.equal(2, command.run("'two.md#third'", folder).status)
  end)

  it("is called by the heading above a program without a title, after a resume too", function()
    local file = assert(io.open(folder .. "/one.md", "w"))
    file:write "# Above\n```dsl\nAWAIT m FROM go\nRETURN 1\n```\n"
    file:close()
    local store = " --store " .. folder .. "/s.db"
    assert.matches("▶ Above\n", command.run("one.md --run-id r --until-parked" .. store, folder).err, 1, true)
    assert.matches("parked .* Above", command.run("runs" .. store, folder).out)
    command.run("signal r go" .. store, folder)
    assert.matches("▶ Above, resumed\n", command.run("resume r" .. store, folder).err, 1, true)
    command.shell("tail -n +2 one.md >none.md", folder)
    assert.matches("▶ none.md\n", command.run("none.md --until-parked" .. store, folder).err, 1, true)
  end)

  it("counts an error's line in the Markdown file", function()
    assert.matches("two%.md:12:8: error: division by zero", command.run("'two.md#second'", folder).err)
  end)
end)

describe("orchlua check", function()
  before_each(function() folder = command.folder { ["orchlua.config.lua"] = CONFIG } end)
  after_each(function() command.remove(folder) end)

  local function check(program, arguments)
    local file = assert(io.open(folder .. "/p.dsl", "wb"))
    file:write(program)
    file:close()
    return command.run("check p.dsl " .. (arguments or ""), folder)
  end

  it("has status 2 on errors and 0 on warnings alone, and runs nothing", function()
    assert.equal(2, check("STATE x = y").status)
    local r = check 'EVENT completion:async {agent_id: "nobody", prompt: ""} AS unused'
    assert.equal(0, r.status)
    assert.matches("no configuration knows the agent `nobody`", r.out)
    assert.matches("the result `unused` is never used", r.out)
    assert.matches("0 errors, 2 warnings", r.out)
  end)

  it("prints JSON", function()
    local list = json.decode(check("STATE x = yy\nSTATE y = 1", "--format json").out)
    assert.equal("error", list[1].severity)
    assert.equal(1, list[1].line)
    assert.equal(11, list[1].column)
    assert.matches("did you mean `y`", list[1].hint)
  end)
end)
