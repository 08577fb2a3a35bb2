## Scatter-gather: what a folder of documents is about
# Every document goes to a reader, all at once; what they find is gathered as it
# comes, and one writer makes a page of it.

INPUT documents = ["harbour.txt", "bees.txt", "bridges.txt", "bread.txt", "tides.txt"]

STATE readers = ["reader_1", "reader_2", "reader_3"]
STATE findings = []
STATE unread = []
STATE total = documents.length

TRACK {pattern: "scatter_gather", documents: total, readers: readers.length}

## Scatter
# Without `AS` an event does not wait: all the questions are out at once.
FOREACH document IN documents:
  EVENT completion:async {
    agent_id: readers[FOREACH_INDEX % readers.length],
    prompt: document,
    task_id: document,
    timeout: 10
  }

## Gather
# Replies come in the order in which they are ready. A failed one is data, too.
WHILE findings.length + unread.length < total AND ELAPSED() < 30:
  AWAIT finding FROM ANY(readers) TIMEOUT 10:
    IF finding.success:
      APPEND findings {document: finding.task_id, words: finding.words, ease: finding.ease, terms: finding.terms}
    ELSE:
      APPEND unread finding.task_id

    EVENT state:entity:update {
      id: "gather_progress",
      properties: {
        gathered: findings.length,
        total: total,
        progress_percent: (findings.length + unread.length) / total * 100
      }
    }
  TIMEOUT:
    BREAK

IF findings.length < total:
  EVENT agent:status {status: "partial_completion", message: "Read {{findings.length}} of {{total}} documents", unread: unread}

## Synthesis
# An agent written in Lua reads the event's other fields, too: `request.data`.
EVENT completion:async {
  agent_id: "writer",
  prompt: "Make a page of the findings",
  findings: SORT(findings, f.ease DESC),
  missing: FILTER(documents, d => !ANY(findings, f => f.document == d)),
  timeout: 10
} AS page

RETURN page.output
