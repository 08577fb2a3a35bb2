-- Consensus: participants vote on a proposal, see each other's reasons, and may change their minds, round after round.
--
--   EVENT pattern:consensus {participants: ["ada", "grace", "alan"], proposal: "Ship it?", rule: "majority"} AS outcome
--   RETURN outcome.decision

local orchlua = require "orchlua"
local patterns = require "orchlua.patterns"

local ASK = "Round {round}: evaluate the proposal '{proposal}'. Current votes: {votes}. " ..
  "Answer with JSON: {\"vote\": \"approve\" or \"reject\", \"reasoning\": …}."
local DISCUSS = "Consider the others' positions: {votes}. Would you like to change your vote? Answer with JSON: " ..
  "{\"vote_changed\": true or false, \"new_vote\": …, \"new_reasoning\": …}."

-- What a reply says: a vote, or an abstention when it failed or says something else.
local function vote_of(vote, reasoning, failure)
  if vote ~= "approve" and vote ~= "reject" then vote = "abstain" end
  return { vote = vote, reasoning = reasoning or failure }
end

local function first_positions(flow, p, round, votes)
  return flow:parallel(p.participants, function(participant)
    local reply = flow:ask(participant, patterns.fill(ASK, { round = round, proposal = p.proposal, votes = votes }), { timeout = p.timeout })
    return vote_of(reply.vote, reply.reasoning, reply.error and reply.error.message)
  end)
end

local function others(votes, participant)
  local result = orchlua.object()
  for _, name in ipairs(votes) do
    if name ~= participant then orchlua.set(result, name, votes[name]) end
  end
  return result
end

-- Everybody sees the others' positions, in their order, and may change the own one.
local function discuss(flow, p, votes)
  for _, participant in ipairs(p.participants) do
    local prompt = patterns.fill(DISCUSS, { votes = others(votes, participant) })
    local ok, reply = flow:try(function() return flow:ask(participant, prompt, { timeout = p.timeout }) end)
    if ok and reply.vote_changed == true then
      votes[participant] = vote_of(reply.new_vote, reply.new_reasoning)
    end
  end
end

local function count(votes, wanted)
  local n = 0
  for _, name in ipairs(votes) do
    if votes[name].vote == wanted then n = n + 1 end
  end
  return n
end

-- Whether so many of so many decide, under the rule.
local function decides(rule, n, total)
  if rule == "unanimous" then return n == total end
  if rule == "majority" then return n * 2 > total end
  return n >= rule * total
end

local function decision(rule, votes, total)
  if decides(rule, count(votes, "approve"), total) then return "approved" end
  if decides(rule, count(votes, "reject"), total) then return "rejected" end
  return nil
end

local function checked_rule(rule)
  if rule == "unanimous" or rule == "majority" then return rule end
  if type(rule) == "number" and rule > 0.5 and rule <= 1 then return rule end
  error { type = "pattern", message = "pattern consensus: `rule` is \"unanimous\", \"majority\", or a share above 0.5 and up to 1" }
end

return {
  name = "consensus",
  summary = "Participants vote on a proposal, see each other's reasons and may change their minds, round after round.",
  params = {
    participants = { "array", description = "who votes" },
    proposal = { "string", description = "what they vote on" },
    max_rounds = { "integer", default = 3, description = "rounds of voting and discussion" },
    rule = { "string|number", default = "unanimous", description = "unanimous, majority, or the share that decides" },
    timeout = { "number", optional = true, description = "seconds for each answer" },
  },

  --- Gives {decision, rounds, votes, unanimous}: "approved", "rejected" or "no_consensus"; how many rounds it took; by participant
  --- {vote, reasoning}, where who failed or spoke nonsense abstains.
  run = function(flow, p)
    local rule, total = checked_rule(p.rule), #p.participants
    if total == 0 then error { type = "pattern", message = "pattern consensus: `participants` is empty" } end
    flow:track { pattern = "consensus", participants = total }
    local votes, rounds, decided = orchlua.object(), 0, nil
    while not decided and rounds < p.max_rounds do
      rounds = rounds + 1
      flow:emit("agent:status", { status = "discussion_round", round = rounds, proposal = p.proposal })
      local positions, round_votes = first_positions(flow, p, rounds, votes), orchlua.object()
      for i, participant in ipairs(p.participants) do orchlua.set(round_votes, participant, positions[i]) end
      votes = round_votes
      decided = decision(rule, votes, total)
      if not decided then
        discuss(flow, p, votes)
        decided = decision(rule, votes, total)
      end
    end
    local unanimous = count(votes, "approve") == total or count(votes, "reject") == total
    return { decision = decided or "no_consensus", rounds = rounds, votes = votes, unanimous = unanimous }
  end,
}
