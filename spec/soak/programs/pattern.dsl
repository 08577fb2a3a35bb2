# A pattern: items to agents in turn, and whatever comes of it.
INPUT n
INPUT tasks
EVENT pattern:scatter_gather {items: MAP(tasks, task => "{{task.fate}} {{task.value}}"), agents: MAP(tasks, task => task.agent), prompt: "{item}", limit: 2, quorum: 0, timeout: 60} AS done
RETURN ["gathered {{done.gathered}}", "failed {{LENGTH(done.failed)}}", "total {{done.total}}"]
