## Combined: a code review
# A pipeline of three stages: list, review, report. The middle stage is a
# scatter-gather: every file goes to a reviewer, four at a time.

INPUT folder = "../../core"

TRACK {pattern: "pipeline + scatter_gather", folder: folder}

## List the files
EVENT completion:async {agent_id: "lister", prompt: folder, timeout: 10} AS listing
STATE files = FILTER(SPLIT(listing.output, "\n"), line => line != "")

## Review each of them
STATE reviews = []
STATE unread = []

PARALLEL(limit: 4):
  FOREACH file IN files:
    EVENT completion:async {agent_id: "reviewer", prompt: file, timeout: 10} AS review
    IF review.success:
      APPEND reviews review.result
    ELSE:
      APPEND unread file
    EVENT agent:progress {progress_percent: (reviews.length + unread.length) / files.length * 100}

## Report
EVENT completion:async {
  agent_id: "reporter",
  prompt: JSON.stringify({reviews: SORT(reviews, r => r.file), unread: unread}),
  timeout: 10
} AS report

RETURN report.output
