-- Agents on the web: the request goes out as a JSON POST, the body of a 2xx
-- answer is the reply. Any other status is an error that says whether asking
-- again may help, and when.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local io = require "orchlua.io"
local request_text = require "orchlua.agents.request"
local secrecy = require "orchlua.secrecy"

local M = {}

local SHOWN_BODY = 300           -- bytes of an error's body in the message
local READ_BODY = 64 * 1024      -- of a longer one nothing more is read, and its connection is given up

-- Worth another try although the server answered: time-out, conflict, too
-- early, too many. So are all of the 5xx.
local RETRYABLE = { [408] = true, [409] = true, [425] = true, [429] = true }

-- Retry-After -------------------------------------------------------------

local MONTHS = {
  Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11, Dec = 12
}

-- Days from 1970-01-01 to a day of the Gregorian calendar. Years are counted
-- from March, so that the leap day is their last.
local function days(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469
end

-- The three forms that RFC 9110 has for a date, as a function of its captures.
local DATES = {
  { "^%a+, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$", function(d, mon, y, h, m, s) return y, mon, d, h, m, s end },
  { "^%a+, (%d%d)%-(%a%a%a)%-(%d%d) (%d%d):(%d%d):(%d%d) GMT$",
    function(d, mon, y, h, m, s) return (tonumber(y) < 70 and 2000 or 1900) + y, mon, d, h, m, s end },
  { "^%a+ (%a%a%a) +(%d%d?) (%d%d):(%d%d):(%d%d) (%d%d%d%d)$", function(mon, d, h, m, s, y) return y, mon, d, h, m, s end }
}

local function epoch(year, month, day, hour, minute, second)
  if not MONTHS[month] then return nil end
  return days(year // 1, MONTHS[month], day // 1) * 86400 + hour * 3600 + minute * 60 + second
end

local function parse_date(text)
  for _, form in ipairs(DATES) do
    if text:find(form[1]) then return epoch(form[2](text:match(form[1]))) end
  end
  return nil
end

--- The seconds that a Retry-After header asks to wait, in either of its forms;
--- nil when it says nothing that can be understood.
---@param text? string
---@param now number   seconds since the epoch
---@return number?
function M.retry_after(text, now)
  if not text then return nil end
  text = text:match "^%s*(.-)%s*$"
  if text:find "^%d+%.?%d*$" then return tonumber(text) end
  local date = parse_date(text)
  return date and math.max(0, date - now)
end

-- A call ------------------------------------------------------------------

-- The pause that a server asks for. Some say it in milliseconds as well, which is more exact.
local function pause_of(headers)
  local milliseconds = tonumber(headers["retry-after-ms"])
  if milliseconds and milliseconds >= 0 and milliseconds < math.huge then return milliseconds / 1000 end
  return M.retry_after(headers["retry-after"], core.loop.clock())
end

--- A text of a server as it goes into a message: its start, on one line.
---@param text string
---@return string
function M.brief(text)
  return io.first(text:gsub("[%c%s]+", " "):match "^ ?(.-) ?$", SHOWN_BODY)
end

--- The error that an answer with this head stands for.
---@param head { status: integer, headers: table<string, string> }
---@param text string   what the server said, as `brief` gives it
---@return orchlua.Error
function M.refusal(head, text)
  return errors.new("agent", ("the server answered with status %d%s"):format(head.status, text == "" and "" or ": " .. text), {
    status = head.status,
    retryable = RETRYABLE[head.status] or head.status >= 500,
    retry_after = pause_of(head.headers)
  })
end

--- What an error's answer says, read no further than a message can show.
---@param handle any
---@return string
function M.error_body(handle) return io.start_of_body(handle, READ_BODY) end

local function take_reply(secrets)
  return function(handle, status)
    if status < 200 or status > 299 then
      local head, unread = io.head(handle)
      return nil, unread or M.refusal(head, M.brief(secrecy.mask(M.error_body(handle), secrets)))
    end
    local body, problem = io.body(handle)
    if not body then return nil, problem end
    return secrecy.mask(core.value.utf8(body), secrets)
  end
end

local function percent(byte) return ("%%%02X"):format(byte:byte()) end

-- A key may come from a program; what no header can carry is percent-encoded.
---@param text string
---@return string
function M.header_text(text)
  if text:find "^[\x21-\x24\x26-\x7E]*$" then return text end
  return (text:gsub("[^\x21-\x24\x26-\x7E]", percent))
end

--- Makes the function that asks this agent: it waits inside a coroutine of the
--- loop and returns the reply's text, or raises an error object.
---@param entry orchlua.Config.Entry
---@param loop any
---@return fun(request: orchlua.Asked): string
function M.new(entry, loop)
  local fixed = io.header_list(entry.headers, { ["Content-Type"] = "application/json" })
  local secrets = secrecy.of(nil, entry.headers)
  return function(request)
    local headers = table.move(fixed, 1, #fixed, 1, {})
    headers[#headers + 1] = { "Idempotency-Key", M.header_text(request.idempotency_key) }
    local reply, problem = io.transfer(loop, {
      method = "POST", url = entry.http, headers = headers, body = request_text.json(request), limit = entry.max_reply
    }, take_reply(secrets))
    if not reply then error(request_text.failure(problem, entry), 0) end
    return reply
  end
end

return M
