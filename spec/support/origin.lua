-- Starts and stops the HTTP server of `origin.pl`, and one of openssl's that
-- nobody trusts.

local M = {}

local script = debug.getinfo(1, "S").source:match "^@(.*)%.lua$" .. ".pl"

--- Starts a server: `url` is its address, `stop()` ends it.
function M.start()
  local pipe = assert(io.popen("exec perl " .. script))
  local port, pid = pipe:read("l"):match "^(%d+) (%d+)$"
  local origin = { url = "http://127.0.0.1:" .. port, port = tonumber(port) }
  function origin.stop()
    os.execute("kill " .. pid)
    pipe:close()
  end
  return origin
end

local function hex(text) return (text:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)) end

--- A path that the server answers with these texts, a short pause between them.
function M.saying(...)
  local parts = {}
  for i, text in ipairs { ... } do parts[i] = hex(text) end
  return "/say/" .. table.concat(parts, "-")
end

local KEY = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 "
  .. "-keyout %s -out %s 2>/dev/null"
local SERVE = "echo $$; exec openssl s_server -www -accept 127.0.0.1:0 -key %s -cert %s 2>/dev/null"

--- Starts a server with a certificate of its own in `ca_file`; nil without openssl.
function M.start_secure()
  if not os.execute "command -v openssl >/dev/null" then return nil end
  local key, certificate = os.tmpname(), os.tmpname()
  assert(os.execute(KEY:format(key, certificate)))
  local pipe = assert(io.popen(SERVE:format(key, certificate)))
  local pid, port = pipe:read("n"), nil
  while not port do port = assert(pipe:read "l"):match "^ACCEPT .*:(%d+)$" end
  local function stop()
    os.execute("kill " .. pid)
    pipe:close()
    os.remove(key)
    os.remove(certificate)
  end
  return setmetatable({ url = "https://127.0.0.1:" .. port .. "/", ca_file = certificate }, { __close = stop })
end

return M
