## Consensus: how many primes are there below 10,000?
# Three counters use three methods, one of them too weak. They see one another's
# answers and may count again, until all agree.

INPUT limit = 10000
STATE participants = ["sieve", "division", "fermat"]
STATE votes = {}
STATE discussion_rounds = 0
STATE max_rounds = 3
STATE consensus_reached = false
STATE history = []

TRACK {pattern: "consensus", participants: participants.length, limit: limit}

WHILE NOT consensus_reached AND discussion_rounds < max_rounds:
  UPDATE discussion_rounds = discussion_rounds + 1
  STATE round_votes = {}
  EVENT agent:status {status: "discussion_round", round: discussion_rounds}

  # Everybody counts, side by side, knowing the others' last answers.
  PARALLEL:
    FOREACH participant IN participants:
      EVENT completion:async {
        agent_id: participant,
        prompt: "Count the primes below {{limit}}.",
        limit: limit,
        others: FILTER(votes, (name, v) => name != participant),
        timeout: 15
      } AS answer
      UPDATE round_votes[participant] = answer.success ? answer.count : null

  UPDATE votes = round_votes
  APPEND history "  round {{discussion_rounds}}: {{JOIN(MAP(participants, p => p + " " + votes[p]), ", ")}}"
  UPDATE consensus_reached = UNIQUE(votes).length == 1 AND votes[participants[0]] != null

EVENT state:entity:create {
  type: "consensus_decision",
  id: "primes_below_{{limit}}",
  properties: {decision: consensus_reached ? votes[participants[0]] : null, rounds: discussion_rounds, unanimous: consensus_reached}
} AS decision

RETURN """
  {{consensus_reached ? "All agree: " + decision.properties.decision : "No agreement on the"}} primes below {{limit}}, after {{discussion_rounds}} rounds.
  {{JOIN(history, "\n")}}
  """
