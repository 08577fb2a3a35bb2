-- The agents of the soak's real part: programs, an address, and Lua, which do as the prompt
-- says: `FATE VALUE`. SOAK_ORIGIN is where `origin.pl` listens.

return {
  agents = {
    lua = dofile((...) .. "/agent.lua"),
    exec = { exec = { "sh", "agent.sh" }, concurrency = 16 },
    http = { http = (os.getenv "SOAK_ORIGIN" or "http://127.0.0.1:1") .. "/agent", concurrency = 16 },
  },
}
