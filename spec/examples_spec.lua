-- Every example runs with the real command, does its work, and checks clean. What
-- an example reports is counted here once more, in another way.

local command = require "spec.support.command"

local names = { "pipeline", "scatter_gather", "orchestrator_worker", "consensus", "self_improving", "combined", "models" }

local function run(name, options)
  local r = command.run(("examples/%s/%s.dsl --quiet --store :memory: %s"):format(name, name, options or ""), ".")
  assert.equal(0, r.status, r.err)
  assert.equal("", r.err)
  return r.out
end

local function contains(text, out)
  assert.matches(text, out, 1, true)
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

describe("the example pipeline", function()
  -- The rows that count, with what each brought in, by group and name.
  local function expected()
    local sums, rows, seen = {}, 0, {}
    local function add(key, cents) sums[key] = (sums[key] or 0) + cents end
    for line in read("examples/pipeline/data/sales.csv"):gmatch "[^\r\n]+" do
      local key = line:lower():gsub("%s", "")
      local month, region, product, units, price = key:match "^(%d+%-%d+)%-%d+,(%a+),(%a+),(%d+),(%d+%.%d+)$"
      if month and tonumber(units) > 0 and not seen[key] then
        seen[key], rows = true, rows + 1
        local cents = math.tointeger(tonumber(units)) * math.floor(price * 100 + 0.5)
        add("", cents)
        add(region:sub(1, 1):upper() .. region:sub(2), cents)
        add(product, cents)
        add(month, cents)
      end
    end
    return sums, rows
  end

  it("adds up the clean rows of its CSV file, by region, product and month", function()
    local out, sums, rows = run "pipeline", expected()
    contains(("Sales report: %d rows, revenue %.2f\n"):format(rows, sums[""] / 100), out)
    for name, cents in pairs(sums) do
      if name ~= "" then contains(("  %-12s %10.2f "):format(name, cents / 100), out) end
    end
  end)

  it("accounts for every row", function()
    local out, total = run "pipeline", -1
    for _ in io.lines "examples/pipeline/data/sales.csv" do total = total + 1 end
    local rows, a, b, c, d = out:match "(%d+) rows.-left out: (%d+) incomplete, (%d+) without a date, (%d+) with bad numbers, (%d+) twice"
    assert.equal(total, rows + a + b + c + d)
  end)

  it("stops at the stage that fails, with its reason", function()
    local r = command.run("examples/pipeline/pipeline.dsl --quiet --store :memory: --input source=nowhere.csv", ".")
    assert.equal(1, r.status)
    assert.equal("", r.out)
    assert.matches("collect%.sh.*nowhere%.csv: No such file", r.err)
  end)
end)

describe("the example scatter_gather", function()
  it("reads all five documents, and names terms that they hold", function()
    local out = run "scatter_gather"
    for _, name in ipairs { "bees", "bread", "bridges", "harbour", "tides" } do
      local text = read("examples/scatter_gather/documents/" .. name .. ".txt"):lower()
      local _, count = text:gsub("%a+", "")
      local words, terms = out:match(name .. "%.txt +(%d+) words, reading ease +[%d.-]+: ([%l, ]+)")
      assert.equal(count, tonumber(words))
      for term in terms:gmatch "%a+" do contains(term, text) end
    end
  end)

  it("puts the documents in order, the easiest first", function()
    local last = math.huge
    for ease in run("scatter_gather"):gmatch "reading ease +([%d.-]+)" do
      assert.is_true(tonumber(ease) <= last)
      last = tonumber(ease)
    end
  end)

  it("makes a page of what could be read", function()
    local out = run("scatter_gather", [[--input 'documents=["bees.txt", "nowhere.txt"]']])
    assert.matches("bees%.txt +163 words", out)
    assert.matches("nowhere%.txt +could not be read", out)
  end)
end)

describe("the example orchestrator_worker", function()
  it("compiles what compiles, and says why the rest does not", function()
    local out = run "orchestrator_worker"
    contains("Compiled 4 of 5 files:\n", out)
    for _, name in ipairs { "crc", "gcd", "queue", "sieve" } do
      local path = "src/" .. name .. ".c"
      contains(("  %s: %d bytes of source, "):format(path, #read("examples/orchestrator_worker/" .. path)), out)
    end
    assert.matches("Failed:\n  src/wrong%.c:4:%d+: error: .*undeclared", out)
  end)
end)

describe("the example consensus", function()
  local function primes_below(limit)
    local primes = {}
    for n = 2, limit - 1 do
      local prime = true
      for _, p in ipairs(primes) do
        if p * p > n then break end
        if n % p == 0 then prime = false break end
      end
      if prime then primes[#primes + 1] = n end
    end
    return #primes
  end

  it("ends with the true number of primes, after a discussion", function()
    local out = run "consensus"
    contains(("There are %d primes below 10000, say 3 of 3 after 2 rounds."):format(primes_below(10000)), out)
    assert.matches("round 1: sieve 1229, division 1229, fermat 1251\n", out)
  end)

  it("decides by majority when the rounds are over", function()
    contains("There are 303 primes below 2000, say 2 of 3 after 1 round.", run("consensus", "--input limit=2000 --input max_rounds=1"))
    assert.equal(303, primes_below(2000))
  end)
end)

describe("the example self_improving", function()
  local function steps()
    local list = {}
    for strategy, cutoff, work in run("self_improving"):gmatch '(%l+) {"cutoff":(%d+)}: (%d+) steps' do
      list[#list + 1] = { strategy = strategy, cutoff = tonumber(cutoff), work = tonumber(work) }
    end
    return list
  end

  it("ends better than all that it planned to try", function()
    local list = steps()
    assert.equal(12, #list)
    for i = 1, 4 do
      for k = 9, 12 do assert.is_true(list[k].work < list[i].work) end
    end
  end)

  it("finds a cutoff that few others beat", function()
    local list = steps()
    local last = list[#list]
    assert.equal("quick", last.strategy)
    local sorter = dofile("examples/self_improving/orchlua.config.lua").agents.quick_sorter
    local better = 0
    for cutoff = 1, 100 do
      if sorter({ data = { params = { cutoff = cutoff } } }).work < last.work then better = better + 1 end
    end
    assert.is_true(better <= 3, better .. " cutoffs are better than " .. last.cutoff)
  end)
end)

describe("the example combined", function()
  it("reviews every C file of the core", function()
    local out, files, total = run "combined", 0, 0
    for path in io.popen("ls core/*.c"):lines() do
      local _, lines = read(path):gsub("\n", "")
      files, total = files + 1, total + lines
      assert.matches(("\n%s +%d +%%d+ "):format(path:match "[^/]+$":gsub("%p", "%%%0"), lines), "\n" .. out)
    end
    assert.matches(("\n%d files, %d lines%%. The longest function is [%%w_]+ in "):format(files, total), out)
  end)

  it("reviews another folder", function()
    contains("The longest function is queue_push in queue.c: 14 lines.", run("combined", "--input folder=../orchestrator_worker/src"))
  end)

  it("names what it could not review, and does without a report", function()
    local folder = command.folder {}
    assert(os.execute(("mkdir '%s/odd.c'"):format(folder)))
    local out = run("combined", ("--input folder='%s'"):format(folder))
    command.remove(folder)
    assert.matches("^No report %(.*no review to report on", out)
    contains("Not reviewed: " .. folder .. "/odd.c", out)
  end)
end)

describe("the examples", function()
  it("print what their page shows", function()
    local shown = 0
    for arguments, out in read("examples/README.md"):gmatch "```\n%$ %./build/orchlua ([^\n]+)\n(.-)```\n" do
      -- The sizes of machine code are the compiler's affair.
      if not arguments:find("orchestrator_worker.dsl", 1, true) then
        assert.equal(out, command.run(arguments .. " --store :memory:", ".").out)
        shown = shown + 1
      end
    end
    assert.equal(#names - 1, shown)
  end)

  for _, name in ipairs(names) do
    it(name .. " has no errors and no warnings", function()
      local r = command.run(("check examples/%s/%s.dsl"):format(name, name), ".")
      assert.equal("0 errors, 0 warnings\n", r.out)
      assert.equal(0, r.status)
    end)
  end
end)

describe("the example models", function()
  it("answers from its recorded replies, and stays within its budget", function()
    local out = run("models", "--replay examples/models/replies.jsonl --output json")
    local ended = require("orchlua.core").json.decode(out)
    assert.equal("Our library is open from nine to eight, Monday to Saturday; on Sundays it is closed.", ended.result)
    assert.same({ 4, 462 }, { ended.usage.calls, ended.usage.tokens })
  end)
end)
