-- What may stand on the command line. Parsing is argparse's; the help texts, the
-- checks of values, and what may stand together are here.

local argparse = require "argparse"
local lfs = require "lfs"
local nearest = require "orchlua.nearest"

local M = {}

local VERSION = "orchlua " .. require "orchlua"._VERSION

local USAGE = [==[
Usage: orchlua FILE[#PROGRAM] [options]
       orchlua check FILE... [options]
       orchlua runs | show RUN | trace RUN
       orchlua resume RUN | --all [options]
       orchlua signal RUN NAME [JSON]
       orchlua cancel RUN
       orchlua patterns [NAME]]==]

local RUN_EXAMPLES = [[
Examples:
  orchlua pipeline.dsl
  orchlua pipeline.dsl --input file='"sales.csv"' --output json
  orchlua 'patterns.md#consensus' --virtual-time --seed 1
  orchlua review.dsl --budget cost=0.50,calls=100 --record replies.jsonl
  echo 'RETURN 6 / 2' | orchlua -

Exit status: 0 completed, 1 the run failed, or its result cannot be written, 2 the program, the configuration or
the command line is wrong, 3 cancelled, 4 parked (with --until-parked),
130 or 143 stopped by a signal.]]

local function whole(least)
  return function(text)
    local n = math.tointeger(tonumber(text))
    if n and n >= least then return n end
    return nil, ("expected a whole number from %d, and got `%s`"):format(least, text)
  end
end

local function integer(text)
  local n = math.tointeger(tonumber(text))
  if n then return n end
  return nil, ("expected a whole number, and got `%s`"):format(text)
end

local function named_value(text)
  local name, rest = text:match "^([%w_]+)=(.*)$"
  if name then return { name = name, text = rest } end
  return nil, ("expected NAME=VALUE, and got `%s`"):format(text)
end

local function store_option(command)
  command:option("--store", "Where runs are kept: a file, or :memory: (default: $ORCHLUA_STORE, else a file of yours)."):argname "PATH"
end

local UNITS = { [""] = 1, K = 1024, M = 1024 ^ 2, G = 1024 ^ 3 }

-- `512M` in bytes.
local function size(text)
  local number, unit = text:upper():match "^(%d+)([KMG]?)I?B?$"
  local bytes = number and math.tointeger(tonumber(number) * UNITS[unit])
  if bytes and bytes > 0 then return bytes end
  return nil, ("expected a size such as 512M or 2G, and got `%s`"):format(text)
end

local function days(text)
  local number = tonumber(text)
  if number and number >= 0 then return number end
  return nil, ("expected a number of days from 0, and got `%s`"):format(text)
end

-- What a limit counts is whole; what it measures need not be.
local LIMITS = { tokens = math.tointeger, calls = math.tointeger, cost = tonumber, seconds = tonumber }

-- A limit such as `cost=0.5`: its name and its number; nil when it is none.
local function limit(text)
  local name, number = text:match "^%s*(%a+)%s*=%s*(%S+)%s*$"
  number = LIMITS[name] and tonumber(number)
  number = number and LIMITS[name](number)
  if number and number >= 0 then return name, math.tointeger(number) or number end
end

-- `cost=0.5,calls=100` as a table.
local function limits(text)
  local budget = {}
  for part in (text .. ","):gmatch "([^,]*)," do
    local name, number = limit(part)
    if not name then
      return nil, ("expected limits such as cost=0.50,calls=100 (whole numbers of tokens and calls; cost, seconds), and got `%s`"):format(part)
    end
    if budget[name] then return nil, ("the limit of %s is given twice"):format(name) end
    budget[name] = number
  end
  return budget
end

-- What `run` and `resume` show, and when they stop.
local function driving_options(command)
  command:option("--budget", "What the run may spend: tokens, cost, calls (tries), seconds."):argname "LIMIT=N[,…]":convert(limits)
  command:option("--record", "Keep each reply in a file, for --replay."):argname "FILE"
  command:option("--replay", "Answer from a file that --record wrote; ask nobody."):argname "FILE"
  command:option("--output", "What standard output carries."):choices { "text", "json", "events" }:default "text"
  command:flag("--quiet", "No progress, no warnings; errors are still told.")
  command:option("--durability", "full: a step is on disk before the next is taken; relaxed: a power cut may lose the last ones.")
    :choices { "full", "relaxed" }:default "full"
  command:option("--max-steps", "Loop turns allowed between two waits (default 10000000)."):argname "N":convert(whole(1))
  command:option("--max-memory", "What a run may hold in memory (default 1G)."):argname "SIZE":convert(size)
  command:flag("--until-parked", "Stop, with status 4, when all that is left is waiting for a timer or a signal.")
end

local function run_options(command)
  command:argument("file", "A .dsl program, a program of a .md file (FILE#PROGRAM), or - for standard input."):argname "FILE[#PROGRAM]"
  command:option("--input", "An input of the program: JSON. What begins neither with { nor with [ and is no JSON is text.")
    :argname "NAME=VALUE":count "*":convert(named_value)
  command:option("--input-file", "A JSON object of inputs."):argname "F.json"
  command:option("--config", "The configuration (default: orchlua.config.lua beside the program, or here)."):argname "F.lua"
  store_option(command)
  command:option("--run-id", "The id of the run."):argname "ID"
  driving_options(command)
  command:flag("--virtual-time", "Waits and time-outs pass at once, in their right order; the run is in memory.")
  command:option("--seed", "Makes random numbers, and with --virtual-time the whole run, the same every time."):argname "N":convert(integer)
  command:epilog(RUN_EXAMPLES)
end

local function output_option(command)
  command:option("--output", "How it is shown."):choices { "text", "json" }:default "text"
end

local function resume_options(command)
  command:argument("run", "The run's id."):argname "RUN":args "?"
  command:flag("--all", "Every run that was cut off, or whose timer or message is due; returns when all of them only wait.")
  command:flag("--wait", "With --all: stay, and drive each run when it is due.")
  command:option("--program", "A corrected program that takes over at the statement where the run stands."):argname "FILE[#PROGRAM]"
  command:option("--config", "The configuration (default: the one the run began with)."):argname "F.lua"
  store_option(command)
  driving_options(command)
  command:epilog [[
Examples:
  orchlua resume 7f3a2b1c
  orchlua resume 7f3a2b1c --program fixed.dsl
  orchlua resume --all --wait]]
end

local function list_options(command)
  command:flag("--prune", "Delete runs that ended long ago, whatever they came to.")
  command:option("--older-than", "With --prune: days since they ended (default 30)."):argname "DAYS":convert(days)
  command:option("--status", "Only runs that are so."):choices { "running", "parked", "cut-off", "completed", "failed", "cancelled" }
  command:option("--limit", "At most so many, the latest (default 50)."):argname "N":convert(whole(1))
end

local function signal_options(command)
  command:argument("name", "The signal's name, as in AWAIT … FROM NAME."):argname "NAME"
  command:argument("value", "Its value: JSON (default null). What begins neither with { nor with [ and is no JSON is text."):argname "JSON":args "?"
end

local function cancel_options(command)
  command:option("--reason", "Why, for the record.")
end

local function check_options(command)
  command:argument("files", "Programs: .dsl or .md files, or - for standard input."):argname "FILE":args "+"
  command:option("--format", "How they are shown."):choices { "human", "json" }:default "human"
  command:option("--config", "The configuration, for what agents and events it knows."):argname "F.lua"
end

local function patterns_options(command)
  command:argument("name", "A pattern's name."):argname "NAME":args "?"
  command:option("--config", "The configuration, for patterns of its own."):argname "F.lua"
  output_option(command)
end

-- The options of a command on runs of the store: its own, and those that all have.
local function on_runs(name, own)
  return function(command)
    if name ~= "runs" then command:argument("run", "The run's id.") end
    if own then own(command) end
    store_option(command)
    output_option(command)
  end
end

-- The commands, in the order of the help: name, what it does, its options.
local COMMANDS = {
  { "run", "Run a program: the same as orchlua FILE.", run_options },
  { "check", "Show errors and warnings; run nothing. Exit status 2 on errors.", check_options },
  { "resume", "Go on with a run after a crash, a stop or a failure.", resume_options },
  { "runs", "List the runs of the store.", on_runs("runs", list_options) },
  { "show", "One run: how it stands, where, and what its names hold.", on_runs "show" },
  { "trace", "One run's time-line: each step with its time, tries and tokens.", on_runs "trace" },
  { "signal", "Hand a run a message that an AWAIT takes.", on_runs("signal", signal_options) },
  { "cancel", "End a run: its FINALLY blocks run, what is in flight is cut off.", on_runs("cancel", cancel_options) },
  { "patterns", "List the pattern libraries, or show one with its parameters.", patterns_options },
}

-- What goes with what: where the first stands, the second must (`needs`), or must not (`without`), or just one of both must (`either`).
local TOGETHER = {
  runs = {
    { "--older-than", needs = "--prune" },
    { "--prune", without = "--status", why = "it deletes whatever ended long ago" },
    { "--prune", without = "--limit", why = "it deletes whatever ended long ago" },
  },
  resume = {
    { "RUN", either = "--all", why = "resume takes a RUN, or --all" },
    { "--wait", needs = "--all" },
    { "--all", without = "--program", why = "a corrected program takes over one run" },
    { "--wait", without = "--until-parked", why = "it stays when all that is left is waiting" },
  },
}

-- What stands together on the command line and cannot, or what is missing; nil when all is well.
local function misfit(options)
  local function given(name) return options[name:lower():gsub("^%-%-", ""):gsub("%-", "_")] end
  for _, rule in ipairs(TOGETHER[options.command] or {}) do
    local name, needs, without = rule[1], rule.needs, rule.without
    if rule.either and not given(name) == not given(rule.either) then return rule.why end
    if given(name) and needs and not given(needs) then return ("%s goes with %s only"):format(name, needs) end
    if given(name) and without and given(without) then return ("%s does not go with %s: %s"):format(name, without, rule.why) end
  end
end

-- A parser of one command, which is made in no time, or of all.
local function parser(only)
  local main = argparse("orchlua", "Runs programs that orchestrate agents.")
  main:usage(USAGE)
  main:flag("--version", "Show the version.")
  main:require_command(true)
  main:command_target "command"
  for _, entry in ipairs(COMMANDS) do
    if not only or only == entry[1] then entry[3](main:command(entry[1], entry[2])) end
  end
  return main
end

local known, names = { ["--help"] = true, ["-h"] = true, ["--version"] = true }, {}
for i, entry in ipairs(COMMANDS) do known[entry[1]], names[i] = true, entry[1] end

-- The command that a first word was meant to be, when it is none and no file either.
local function misspelt(word)
  if known[word] or not word:find "^%a+$" or lfs.attributes(word) then return nil end
  return nearest.hint(word, names)
end

-- `orchlua FILE …` is `orchlua run FILE …`.
local function with_command(argv)
  local words = { table.unpack(argv) }
  if words[1] and not known[words[1]] then table.insert(words, 1, "run") end
  return words
end

--- Reads the command line.
---@param argv string[]
---@return table? options    with `command`
---@return string? message   what to print instead
---@return integer? status   the exit status then
function M.parse(argv)
  if #argv == 0 then return nil, parser():get_help(), 2 end
  if argv[1] == "--help" or argv[1] == "-h" then return nil, parser():get_help() .. "\n\n" .. RUN_EXAMPLES, 0 end
  if argv[1] == "--version" then return nil, VERSION, 0 end
  local hint = misspelt(argv[1])
  if hint then return nil, ("orchlua: unknown command `%s`; %s\n`orchlua --help` tells more."):format(argv[1], hint), 2 end
  local words = with_command(argv)
  local main = parser(words[1])
  for i = 2, #words do
    if words[i] == "--version" then return nil, VERSION, 0 end
    if words[i] == "--help" or words[i] == "-h" then return nil, M.help(main, words[1]), 0 end
  end
  local ok, result = main:pparse(words)
  local wrong = not ok and result or misfit(result)
  if not wrong then return result end
  return nil, ("orchlua: %s\n`orchlua %s --help` tells more."):format(wrong, words[1]), 2
end

--- The help of a subcommand.
function M.help(main, name)
  for _, command in ipairs(main._commands) do
    if command._name == name then return command:get_help() end
  end
  return main:get_help()
end

return M
