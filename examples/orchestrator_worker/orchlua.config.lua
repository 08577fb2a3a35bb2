-- A worker is a compiler: a non-zero exit is a failure, and what it wrote to
-- standard error is the reason.

return {
  agents = {
    scout = { exec = { "sh", "scout.sh" } },
    ["worker_*"] = { exec = { "sh", "compile.sh" }, timeout = 20, concurrency = 2 },
  },
}
