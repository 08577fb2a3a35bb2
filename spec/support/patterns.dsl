STATE words = ["one", "two"]
PARALLEL:
  BRANCH gather:
    EVENT pattern:scatter_gather {items: words, agents: ["worker", "sleeper"], prompt: "do {item}", limit: 1} AS gathered
  BRANCH chatty:
    EVENT pattern:spec_chatty {agent: "worker", times: 3} AS chatted
EVENT pattern:pipeline {stages: [{name: "a", agent: "worker"}, {name: "b", agent: "sleeper"}], input: "start", aggregator: "worker"} AS piped
EVENT pattern:orchestrator_worker {tasks: [{n: 1}, {n: 2}, {n: 3}], workers: ["worker", "sleeper"], prompt: "task {task.n}"} AS worked
RETURN {gathered: gathered.gathered, chatted: chatted.count, nested: chatted.nested, piped: LENGTH(piped.stages), worked: LENGTH(worked.completed)}
