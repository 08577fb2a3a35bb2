-- Each stage is an ordinary program: its prompt comes on standard input, what it
-- prints is its reply.

return {
  agents = {
    collect_agent = { exec = { "sh", "collect.sh" }, timeout = 10 },
    clean_agent = { exec = { "awk", "-f", "clean.awk" }, timeout = 10 },
    analyse_agent = { exec = { "lua5.4", "analyse.lua" }, timeout = 10 },
    report_agent = { exec = { "lua5.4", "report.lua" }, timeout = 10 },
  },
}
