## Combined: a code review
# A pipeline of three stages: list, review, report. The middle stage is a
# scatter-gather: every file goes to a reviewer, four at a time.

INPUT folder = "../../core"

STATE reviews = []
STATE unread = []

TRACK {pattern: "pipeline + scatter_gather", folder: folder}

## List the files
EVENT completion:async {agent_id: "lister", prompt: folder, timeout: 10} AS listing
STATE files = SPLIT(TRIM(listing.output), "\n")

## Review each of them
# Inside PARALLEL a reviewer that fails spoils nothing: its reply says so.
PARALLEL(limit: 4):
  FOREACH file IN files:
    EVENT completion:async {agent_id: "reviewer", prompt: file, timeout: 10} AS review
    IF review.success:
      APPEND reviews review.result
    ELSE:
      APPEND unread file

    EVENT agent:status {
      status: "reviewed",
      file: file,
      progress_percent: ROUND((reviews.length + unread.length) / files.length * 100)
    }

## Report
# The reviews come in the order in which they were ready; the report's is by name.
STATE rows = MAP(SORT(reviews, r => r.file), r => JOIN([r.file, r.lines, r.functions, r.comments, r.longest, r.name], " "))

TRY:
  EVENT completion:async {agent_id: "reporter", prompt: JOIN(rows, "\n"), timeout: 10} AS table
  STATE report = TRIM(table.output)
CATCH e:
  # Without the reporter, the bare figures are better than nothing.
  STATE report = "No report ({{e.message}}); the figures:\n{{JOIN(rows, "\n")}}"

IF unread.length > 0:
  UPDATE report = report + "\nNot reviewed: " + JOIN(unread, ", ")

RETURN report
