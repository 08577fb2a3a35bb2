-- What a run may spend, and what it has spent. Before a try is sent, the most that it can
-- take is reserved; when it has ended, what the transport says it took is charged instead,
-- or the whole reservation where nobody knows. All of it is the run's state and changes
-- with its rows alone, so that a ceiling holds over fan-out, crashes and resumes.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local keys = require "orchlua.keys"
local nearest = require "orchlua.nearest"
local own = require("orchlua.run.own").own

local value = core.value
local null = value.null

local M = {}

---@class orchlua.Amount   of tokens, and of money where there is a price
---@field input integer
---@field output integer
---@field cost? number
---@field calls? integer   tries, of a sub-run

---@class orchlua.Limits
---@field tokens? number
---@field cost? number     in the currency of the configuration's prices
---@field calls? number    tries sent to agents
---@field seconds? number  since the run began

local NAMES = { "tokens", "cost", "calls", "seconds" }
local is_name = {}
for _, name in ipairs(NAMES) do is_name[name] = true end

---@class orchlua.Usage     what a run has spent; the amounts are there when it has asked a model
---@field requests integer   questions to agents
---@field calls integer      tries sent to agents
---@field input? integer
---@field output? integer
---@field cost? number
---@field reserved? orchlua.Amount
---@field agents? table<string, orchlua.Amount>

-- A run's usage, with all of its amounts.
local function ledger(run)
  local usage = run.usage
  if usage.reserved then return usage end
  usage = own(run, "usage")
  if not usage.reserved then
    usage.input, usage.output, usage.cost, usage.agents = 0, 0, 0, {}
    usage.reserved = { input = 0, output = 0, cost = 0, calls = 0 }
  end
  return usage
end

-- Limits -----------------------------------------------------------------------------------

local function wrong_limit(name, limit)
  if not is_name[name] then
    return ("a budget has no `%s`"):format(name), nearest.hint(name, NAMES) or "it may have tokens, cost, calls and seconds"
  end
  if limit ~= null and (type(limit) ~= "number" or limit < 0) then return ("`%s` of a budget is a number from 0"):format(name) end
end

--- Reads limits from an object of the language.
---@param given any
---@return orchlua.Limits? limits, string? message, string? hint
function M.limits(given)
  if value.kind(given) ~= "object" then return nil, "a budget is {tokens: …, cost: …, calls: …, seconds: …}" end
  local limits = {}
  for _, name in ipairs(given) do
    local message, hint = wrong_limit(name, given[name])
    if message then return nil, message, hint end
    if given[name] ~= null then limits[name] = given[name] end
  end
  return limits
end

--- Limits as a value of the language.
---@param limits orchlua.Limits
function M.limits_value(limits)
  local object = value.object {}
  for _, name in ipairs(NAMES) do
    if limits[name] then object[#object + 1], object[name] = name, limits[name] end
  end
  return object
end

--- The program's own budget, from here on: it replaces the one that the program set before,
--- and not the one that the run was given.
---@param run orchlua.Run
---@param given any   the value of BUDGET
function M.set(run, given)
  local limits, message, hint = M.limits(given)
  if not limits then errors.raise("type", message, { hint = hint }) end
  M.limit(run, "program", limits)
end

--- Sets one of a run's budgets: `given` from outside, or the `program`'s own.
---@param whose "given"|"program"
---@param limits? orchlua.Limits
function M.limit(run, whose, limits)
  local budgets = run.budgets or {}
  budgets[whose] = limits
  run.budgets = next(budgets) and budgets or false
  if run.work then run.work.alone = false end
end

-- What is left -----------------------------------------------------------------------------

-- What is spent or reserved, by the names of limits.
local spent = {}

local function tokens(amount) return amount.input + amount.output end

function spent.tokens(run)
  local usage = ledger(run)
  return tokens(usage) + tokens(usage.reserved)
end

function spent.cost(run)
  local usage = ledger(run)
  return usage.cost + usage.reserved.cost
end

function spent.calls(run) return run.usage.calls + ledger(run).reserved.calls end

function spent.seconds(run) return run:elapsed() end

local function money(amount) return (("%.6f"):format(amount):gsub("0+$", ""):gsub("%.$", "")) end

local shown = core.value.number_text

local function refuse(agent_id, limit, why, ...)
  errors.raise("budget", ("the budget of %s does not allow to ask `%s`: %s"):format(limit, agent_id, why:format(...)), { agent_id = agent_id })
end

-- By name of a limit: refuses what is more than is left.
local refusals = {}

function refusals.tokens(agent_id, limit, wanted, left)
  refuse(agent_id, shown(limit) .. " tokens", "a try may take %s, and %s are left", shown(wanted), shown(left))
end

function refusals.cost(agent_id, limit, wanted, left)
  refuse(agent_id, "cost " .. money(limit), "a try may take %s, and %s is left", money(wanted), money(left))
end

function refusals.calls(agent_id, limit) refuse(agent_id, shown(limit) .. (limit == 1 and " call" or " calls"), "none is left") end

-- Timers and the clock are not exact to more than a millisecond.
local function check_seconds(run, agent_id, limit)
  if limit - spent.seconds(run) > 0.001 then return end
  refuse(agent_id, shown(limit) .. " seconds", "they are over")
end

-- Sums of prices are not exact.
local ROUNDING = 1e-12

local function check(run, limits, agent_id, wanted)
  for _, name in ipairs { "tokens", "cost", "calls" } do
    local limit = limits[name]
    local left = limit and limit - spent[name](run)
    if limit and wanted[name] > left + ROUNDING then refusals[name](agent_id, limit, wanted[name], math.max(0, left)) end
  end
  if limits.seconds then check_seconds(run, agent_id, limits.seconds) end
end

-- The budgets of a run.
local function budgets(run)
  local list = {}
  for _, whose in ipairs { "given", "program" } do list[#list + 1] = run.budgets and run.budgets[whose] or nil end
  return list
end

-- Raises when a try does not fit into every budget of its run.
local function check_all(run, agent_id, worst)
  local wanted = { tokens = worst and tokens(worst) or 0, cost = worst and worst.cost or 0, calls = 1 }
  for _, limits in ipairs(budgets(run)) do
    if limits.cost and worst and not worst.cost then
      errors.raise("budget", ("the budget limits the cost, and nobody knows what `%s` costs"):format(agent_id),
        { agent_id = agent_id, hint = "give the agent a price in the configuration: price = { input = …, output = … }, for a million tokens" })
    end
    check(run, limits, agent_id, wanted)
  end
end

-- Reserving and charging -------------------------------------------------------------------

local function add(to, amount)
  local cost, calls = amount.cost, amount.calls
  to.input, to.output = to.input + amount.input, to.output + amount.output
  if cost then to.cost = (to.cost or 0) + cost end
  if calls then to.calls = (to.calls or 0) + calls end
end

-- Takes back what was added.
local function subtract(from, amount)
  local cost, calls = amount.cost, amount.calls
  from.input, from.output = from.input - amount.input, from.output - amount.output
  if cost then from.cost = from.cost - cost end
  if calls then from.calls = from.calls - calls end
end

local function nothing() return { input = 0, output = 0, cost = nil } end

local function sum(a, b)
  local both = nothing()
  add(both, a)
  add(both, b)
  return both
end

--- Reserves what a try may take at worst, or raises an error of type `budget`.
---@param run orchlua.Run
---@param agent_id string
---@param worst? orchlua.Amount   nil: it takes no tokens
function M.reserve(run, agent_id, worst)
  if run.budgets then check_all(run, agent_id, worst) end
  if worst then add(ledger(run).reserved, worst) end
end

--- Charges what a try took, and lets its reservation go.
---@param run orchlua.Run
---@param agent_id string
---@param worst orchlua.Amount
---@param took? orchlua.Amount   as the transport says; nil: nobody knows, so it was all of the reservation
---@return orchlua.Amount
function M.charge(run, agent_id, worst, took)
  took = took or worst
  local usage = ledger(run)
  local of_agent = usage.agents[agent_id]
  if not of_agent then
    of_agent = nothing()
    usage.agents[agent_id] = of_agent
  end
  subtract(usage.reserved, worst)
  add(usage, took)
  add(of_agent, took)
  return took
end

-- Requests ---------------------------------------------------------------------------------

--- Reserves for a request's next try, which counts as a call.
function M.open(run, request)
  M.reserve(run, request.agent_id, request.worst)
  request.open = request.worst ~= nil
  request.cutoff = run.budgets and M.cutoff(run) or nil
  local usage = own(run, "usage")
  usage.calls = usage.calls + 1
end

-- What the questions took that an agent asks others inside its call, and nobody has told about.
local function close_asks(run, request)
  for _, number in ipairs(keys.sorted(request.asks or {})) do M.asked(run, request, number, nil) end
end

--- A request's try has ended.
---@param took? orchlua.Amount
function M.close(run, request, took)
  if request.asks then close_asks(run, request) end
  if not request.open then return end
  request.open = false
  local amount = M.charge(run, request.agent_id, request.worst, took)
  request.usage = request.usage and sum(request.usage, amount) or amount
end

--- Reserves for a question that an agent asks another inside its call.
---@param row { ask: integer, agent_id: string, worst: orchlua.Amount? }
function M.ask(run, request, row)
  M.reserve(run, row.agent_id, row.worst)
  local usage = own(run, "usage")
  usage.calls = usage.calls + 1
  if not row.worst then return end
  request.asks = request.asks or {}
  request.asks[row.ask] = { agent_id = row.agent_id, worst = row.worst }
end

--- A try of such a question has ended.
---@param took? orchlua.Amount
function M.asked(run, request, number, took)
  local ask = request.asks and request.asks[number]
  if not ask then return end
  request.asks[number] = nil
  if not next(request.asks) then request.asks = nil end
  M.charge(run, ask.agent_id, ask.worst, took)
end

--- When the seconds of a run's budgets are over, since the epoch; nil without such a limit.
function M.cutoff(run)
  if not run.budgets then return nil end
  local seconds
  for _, limits in ipairs(budgets(run)) do
    if limits.seconds then seconds = math.min(seconds or math.huge, limits.seconds) end
  end
  if not seconds then return nil end
  local passed_over = 0
  for _, outage in ipairs(run.outages) do passed_over = passed_over + outage.seconds end
  return run.started + seconds + passed_over
end

-- Sub-runs ---------------------------------------------------------------------------------

local function least(a, b)
  if a and b then return math.min(a, b) end
  return a or b
end

--- What a sub-run may spend: what its event says, and no more than is left of each budget.
---@param run orchlua.Run
---@param wanted? orchlua.Limits
---@return orchlua.Limits?   nil: no limit
function M.allotment(run, wanted)
  local allotted = {}
  for _, name in ipairs(NAMES) do
    allotted[name] = wanted and wanted[name]
    for _, limits in ipairs(budgets(run)) do
      local left = limits[name] and math.max(0, limits[name] - spent[name](run))
      allotted[name] = least(allotted[name], left)
    end
  end
  return next(allotted) and allotted or nil
end

--- Reserves a sub-run's allotment, until it has ended.
---@param request orchlua.Request   its `allotted` says what it may spend
function M.open_run(run, request)
  local allotted = request.allotted or {}
  request.worst = { input = allotted.tokens or 0, output = 0, cost = allotted.cost, calls = allotted.calls }
  request.open = true
  add(ledger(run).reserved, request.worst)
end

--- What a sub-run has spent, as its parent is charged for it.
---@param usage orchlua.Usage
---@return orchlua.Amount
function M.of_sub_run(usage)
  return { input = usage.input or 0, output = usage.output or 0, cost = usage.cost, calls = usage.calls }
end

-- As values --------------------------------------------------------------------------------

--- An amount as a value of the language: `{tokens, input, output, cost}`, cost null without a price.
---@param amount orchlua.Amount
---@return table
function M.to_value(amount)
  return value.object {
    "tokens", "input", "output", "cost", tokens = tokens(amount), input = amount.input, output = amount.output, cost = amount.cost or null,
  }
end

--- What a run has spent, as a value of the language.
---@param run orchlua.Run
function M.of_run(run)
  local usage, agents = run.usage, value.object {}
  for i, name in ipairs(keys.sorted(usage.agents or {})) do agents[i], agents[name] = name, M.to_value(usage.agents[name]) end
  local input, output = usage.input or 0, usage.output or 0
  return value.object {
    "requests", "calls", "tokens", "input", "output", "cost", "agents", requests = usage.requests, calls = usage.calls,
    tokens = input + output, input = input, output = output, cost = usage.cost or 0, agents = agents,
  }
end

return M
