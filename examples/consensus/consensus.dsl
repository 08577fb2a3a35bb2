## Consensus: how many primes are there below 10,000?
# Three counters use three methods, one of them too weak. They see one another's
# answers and may count again, until all agree or the rounds are over.

INPUT limit = 10000
INPUT max_rounds = 3

STATE participants = ["sieve", "division", "fermat"]
STATE votes = {}
STATE discussion_rounds = 0
STATE consensus_reached = false
STATE minutes = []

TRACK {pattern: "consensus", participants: participants.length, limit: limit}

## Discussion
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
      UPDATE round_votes[participant] = answer.success ? answer.count : "no answer"

  UPDATE votes = round_votes
  UPDATE consensus_reached = UNIQUE(votes).length == 1
  APPEND minutes "  round {{discussion_rounds}}: {{JOIN(MAP(participants, p => p + " " + votes[p]), ", ")}}"

## Decision
# Not all agree after the last round: the answer that most of them gave.
STATE answers = UNIQUE(votes)
STATE decision = MAX(answers, a => COUNT(votes, v => v == a))
STATE support = COUNT(votes, v => v == decision)

PERSIST consensus_decision {
  key: "primes_below_{{limit}}",
  data: {decision: decision, support: support, rounds: discussion_rounds, unanimous: consensus_reached}
}

RETURN """
  There are {{decision}} primes below {{limit}}, say {{support}} of {{participants.length}} after {{discussion_rounds}} round{{discussion_rounds == 1 ? "" : "s"}}.
  {{JOIN(minutes, "\n")}}
  """
