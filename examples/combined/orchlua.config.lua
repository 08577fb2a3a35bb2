-- A shell script, an awk program and a Lua program; four reviewers at a time.

return {
  agents = {
    lister = { exec = { "sh", "list.sh" }, timeout = 10 },
    reviewer = { exec = { "awk", "-f", "review.awk" }, timeout = 10, concurrency = 4 },
    reporter = { exec = { "lua5.4", "report.lua" }, timeout = 10 },
  },
}
