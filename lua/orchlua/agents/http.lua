-- Agents on the web: the request goes out as a JSON POST, the body of a 2xx
-- answer is the reply. Any other status is an error that says whether asking
-- again may help, and when.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local io = require "orchlua.io"
local request_text = require "orchlua.agents.request"

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
  if text:find "^%d+$" then return tonumber(text) end
  local date = parse_date(text)
  return date and math.max(0, date - now)
end

-- A call ------------------------------------------------------------------

local function start_of_body(handle)
  local pieces, size = {}, 0
  repeat
    local piece = handle:read()
    pieces[#pieces + 1] = piece
    size = size + #(piece or "")
  until not piece or size > READ_BODY
  local text = io.first(table.concat(pieces):sub(1, READ_BODY):gsub("[%c%s]+", " "):match "^ ?(.-) ?$", SHOWN_BODY)
  return text == "" and "" or ": " .. text
end

--- The error that an answer with this head stands for.
---@param head { status: integer, headers: table<string, string> }
---@param text string   what to add to the message
---@return orchlua.Error
function M.refusal(head, text)
  return errors.new("agent", ("the server answered with status %d%s"):format(head.status, text), {
    status = head.status,
    retryable = RETRYABLE[head.status] or head.status >= 500,
    retry_after = M.retry_after(head.headers["retry-after"], core.loop.clock())
  })
end

local function take_reply(handle, head)
  if head.status < 200 or head.status > 299 then return nil, M.refusal(head, start_of_body(handle)) end
  local body, problem = io.body(handle)
  if not body then return nil, problem end
  return core.value.utf8(body)
end

-- A key may come from a program; what no header can carry is percent-encoded.
local function header_text(text)
  return (text:gsub("[^\x21-\x24\x26-\x7E]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

--- Makes the function that asks this agent: it waits inside a coroutine of the
--- loop and returns the reply's text, or raises an error object.
---@param entry orchlua.Config.Entry
---@param loop any
---@return fun(request: orchlua.Request): string
function M.new(entry, loop)
  local fixed = io.header_list(entry.headers, { ["Content-Type"] = "application/json" })
  return function(request)
    local headers = table.move(fixed, 1, #fixed, 1, {})
    headers[#headers + 1] = { "Idempotency-Key", header_text(request.idempotency_key) }
    local reply, problem = io.transfer(loop, {
      method = "POST", url = entry.http, headers = headers, body = request_text.json(request), limit = entry.max_reply
    }, take_reply)
    if not reply then error(problem, 0) end
    return reply
  end
end

return M
