return {
  agents = {
    lister = { exec = { "sh", "list.sh" } },
    reviewer = { exec = { "awk", "-f", "review.awk" }, concurrency = 4 },
    reporter = { exec = { "lua5.4", "report.lua" } },
  },
}
