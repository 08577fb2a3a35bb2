-- Starts and stops the stand-in for language-model servers of `models.pl`. Every
-- route takes directives in the text of the last user message:
--   what is answered   [[reply TEXT]] (\n and \u0041 as in JSON)  [[big BYTES]]  [[history]]  [[system]]
--                      [[shape]] (the format asked for)  [[echokey]]  [[raw TEXT]] (the body as it is)
--                      [[usage IN OUT]]  [[nousage]]  [[finish REASON]]; without one of these, the text itself
--   how it is sent     [[delay S]]  [[header NAME VALUE]]; streams: [[pieces N]]  [[gap S]]  [[cut BYTES]]
--                      [[open]] (it is whole, and its body does not end)  [[crlf]]  [[comments]]  [[multiline]]  [[nospace]] (`data:` with no space behind it)
--   what goes wrong    [[status N]]; after N pieces: [[break N]] (the connection closes)  [[stall N]] (no more
--                      comes)  [[error N]] (an error inside the stream)  [[end N]] (the body ends, the stream
--                      does not); [[times K]]: these and [[raw]] for the first K requests of an Idempotency-Key

local json = require("orchlua.core").json

local M = {}

local folder = debug.getinfo(1, "S").source:match "^@(.*/)"

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- What the server sends to a request until it closes, or for so many seconds.
local function exchange(port, text, seconds)
  local name = os.tmpname()
  local file = assert(io.open(name, "wb"))
  file:write(text)
  file:close()
  local script = [[use IO::Socket::INET; $/ = undef; my $s = IO::Socket::INET->new("127.0.0.1:$ARGV[0]") or die;
    print $s scalar <STDIN>; $s->flush; $SIG{ALRM} = sub { exit }; alarm $ARGV[1]; $| = 1; print while sysread $s, $_, 65536;]]
  local pipe = assert(io.popen(("perl -e %s %d %d <%s"):format(quote(script), port, seconds, name), "r"))
  local answer = pipe:read "a"
  pipe:close()
  os.remove(name)
  return answer
end

-- The body of chunks, the chunks themselves, and whether the last one came.
local function chunks_of(text)
  local list, at = {}, 1
  while true do
    local size, first = text:match("^(%x+)\r\n()", at)
    local length = size and tonumber(size, 16)
    if not length or length == 0 then return table.concat(list), list, length == 0 end
    list[#list + 1] = text:sub(first, first + length - 1)
    at = first + length + 2
  end
end

local function reply_of(text)
  local status, head, body = text:match "^HTTP/1%.1 (%d+)[^\r]*\r\n(.-)\r\n\r\n(.*)$"
  if not status then return { bytes = text } end
  local headers = {}
  for name, value in head:gmatch "([^:\r\n]+): ([^\r]*)" do headers[name:lower()] = value end
  local reply = { status = tonumber(status), headers = headers, body = body, is_whole = #body == tonumber(headers["content-length"]) }
  if headers["transfer-encoding"] == "chunked" then reply.body, reply.chunks, reply.is_whole = chunks_of(body) end
  return reply
end

--- A file with a key in it, for `api_key_file`; remove it with `os.remove`.
---@param key string
function M.key_file(key)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(key, "\n")
  file:close()
  return name
end

--- Starts a stand-in: `url` is its address, `requests()` all that it was asked,
--- `clear()` forgets those, `stop()` ends it. `ask()` sends a request by hand, on a
--- connection of its own, and tells what came back within some seconds.
---@param options? { key?: string }  the only key that it takes
function M.start(options)
  local key = options and options.key
  local pipe = assert(io.popen("exec perl " .. quote(folder .. "models.pl") .. (key and " --key " .. quote(key) or "")))
  local port, pid = pipe:read("l"):match "^(%d+) (%d+)$"
  local models = { url = "http://127.0.0.1:" .. port, port = tonumber(port), pid = tonumber(pid) }

  function models.ask(method, path, headers, body, seconds)
    local lines = { ("%s %s HTTP/1.1"):format(method, path), "Host: 127.0.0.1", "Connection: close", "Content-Length: " .. #(body or "") }
    for name, value in pairs(headers or {}) do lines[#lines + 1] = name .. ": " .. value end
    return reply_of(exchange(port, table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or ""), seconds or 10))
  end

  function models.requests() return assert(json.decode(models.ask("GET", "/requests").body)) end

  function models.clear() models.ask("DELETE", "/requests") end

  function models.stop()
    os.execute("kill " .. pid)
    pipe:close()
  end

  return models
end

return M
