## Scatter-gather: what a folder of documents is about
# Every document goes to an analyser, all at once; what they find is gathered as it
# comes, and one writer makes a page of it.

STATE documents = ["harbour.txt", "bees.txt", "bridges.txt", "bread.txt", "tides.txt"]
STATE analysers = ["reader_1", "reader_2", "reader_3"]
STATE findings = []

TRACK {pattern: "scatter_gather", documents: documents.length}

FOREACH document IN documents:
  EVENT completion:async {
    agent_id: analysers[FOREACH_INDEX % analysers.length],
    prompt: document,
    task_id: document,
    timeout: 10
  }

WHILE findings.length < documents.length AND ELAPSED() < 30:
  AWAIT finding FROM ANY(analysers) TIMEOUT 10:
    IF finding.success:
      APPEND findings {document: finding.task_id, words: finding.words, ease: finding.ease, terms: finding.terms}
    ELSE:
      APPEND findings {document: finding.task_id, failed: finding.error.message}
    EVENT state:entity:update {
      id: "gather_progress",
      properties: {
        gathered: findings.length,
        total: documents.length,
        progress_percent: findings.length / documents.length * 100
      }
    }

STATE read = FILTER(findings, f => f.failed == null)
IF read.length < documents.length:
  EVENT agent:status {status: "partial_completion", message: "Read {{read.length}} of {{documents.length}} documents"}

EVENT completion:async {
  agent_id: "writer",
  prompt: JSON.stringify(SORT(read, f.ease DESC)),
  timeout: 10
} AS page

RETURN page.output
