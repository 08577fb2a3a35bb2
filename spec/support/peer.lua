-- Starts and stops the HTTP server of `peer.pl`.

local M = {}

local script = debug.getinfo(1, "S").source:match "^@(.*)%.lua$" .. ".pl"

--- Starts a server: `url` is its address, `stop()` ends it.
function M.start()
  local pipe = assert(io.popen("exec perl " .. script))
  local port, pid = pipe:read("l"):match "^(%d+) (%d+)$"
  local peer = { url = "http://127.0.0.1:" .. port, port = tonumber(port) }
  function peer.stop()
    os.execute("kill " .. pid)
    pipe:close()
  end
  return peer
end

return M
