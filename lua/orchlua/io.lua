-- Programs and HTTP, as Lua code uses them: `orchlua.exec{…}` and
-- `orchlua.http{…}`, and under them `run` and `transfer`, which the agents are
-- built on too. Everything here that waits does so inside a coroutine of the
-- loop, and ends what it waits for when that coroutine is closed.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local fields = require "orchlua.config.fields"

local value, json = core.value, core.json

local M = {}

local TIMEOUT = 120
local LIMIT = 64 * 1024 * 1024

-- Excerpts ----------------------------------------------------------------

local function inside_character(text, position)
  local byte = text:byte(position)
  return byte ~= nil and byte >= 0x80 and byte < 0xC0
end

--- At most the first `count` bytes of a text, as valid UTF-8.
---@param text string
---@param count integer
function M.first(text, count)
  text = value.utf8(text:sub(1, count + 4))
  if #text <= count then return text end
  while inside_character(text, count + 1) do count = count - 1 end
  return text:sub(1, count)
end

--- At most the last `count` bytes of a text, as valid UTF-8.
---@param text string
---@param count integer
function M.last(text, count)
  if #text <= count then return value.utf8(text) end
  local from = #text - count + 1
  for _ = 1, 3 do
    if inside_character(text, from) then from = from + 1 end
  end
  return value.utf8(text:sub(from))
end

-- Paths -------------------------------------------------------------------

--- Where a path leads that a file in `folder` names.
---@param folder string
---@param path string
function M.beside(folder, path)
  if path:sub(1, 1) == "/" then return path end
  return (folder:gsub("/*$", "/")) .. path
end

-- Large answers -----------------------------------------------------------

local LARGE = 1024 * 1024

-- By loop, who waits to work on a large answer.
local lines = setmetatable({}, { __mode = "k" })

local function next_in_line(loop)
  local line = lines[loop]
  local co = table.remove(line, 1)
  if not co then
    lines[loop] = nil
    return
  end
  loop:defer(function() next_in_line(loop) end)
  if coroutine.status(co) == "suspended" then loop:resume(co) end
end

--- Waits until it is this coroutine's turn to work on a text: of large ones a turn of the loop has one,
--- so that several that come at once do not keep everything else waiting.
---@param loop any
---@param text string
function M.take_turn(loop, text)
  if #text < LARGE then return end
  if not lines[loop] then
    lines[loop] = {}
    loop:defer(function() next_in_line(loop) end)
  end
  table.insert(lines[loop], (coroutine.running()))
  coroutine.yield()
end

-- Deadlines ---------------------------------------------------------------

local Closing = {
  __close = function(coroutines)
    for _, co in ipairs(coroutines) do
      if coroutine.status(co) == "suspended" then coroutine.close(co) end
    end
  end
}

--- Runs `work()` and returns what it returns or raises what it raises; or, when
--- it takes longer than `seconds`, ends it and returns nil and an error of type
--- `timeout`. The work and the clock are a coroutine each, and whichever comes
--- first wakes the caller; the other is closed, and with it what it waits for.
---@param loop any
---@param seconds number
---@param work fun(): ...
function M.within(loop, seconds, work)
  local caller, waiting, results = coroutine.running(), false, nil
  local function wake()
    if coroutine.status(caller) == "suspended" then loop:resume(caller) end
  end
  local function settle(...)
    if results then return end
    results = table.pack(...)
    if waiting then loop:defer(wake) end
  end
  local worker = coroutine.create(function() settle(pcall(work)) end)
  local clock = coroutine.create(function()
    local timer <close> = loop:timer(seconds)
    timer:wait()
    settle(true, nil, errors.new("timeout", ("took longer than %g s"):format(seconds)))
  end)
  local _ <close> = setmetatable({ worker, clock }, Closing)
  loop:resume(worker)
  if not results then
    loop:resume(clock)
    waiting = true
    coroutine.yield()
  end
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- The core's failures as error objects ------------------------------------

local function failure(problem, kind)
  return errors.new(kind or problem.type, problem.message, { retryable = problem.type == "transport", unsent = problem.unsent })
end

-- Programs ----------------------------------------------------------------

local SHOWN_COMMAND = 80

--- A command as messages show it.
---@param args string[]
function M.command_text(args)
  local text = table.concat(args, " "):gsub("%c+", " ")
  local short = M.first(text, SHOWN_COMMAND)
  return short == text and text or short .. "…"
end

---@class orchlua.Outcome
---@field status? integer   the exit status
---@field signal? string    the signal that ended it, when one did: "KILL", "SEGV"
---@field stdout string
---@field stderr string     its last 64 KiB

-- Keeps what a program wrote to standard error also when its coroutine is closed.
local function noting(handle, note)
  return setmetatable({}, { __close = function()
    if note then note.stderr = handle:stderr() end
  end })
end

--- Runs a program to its end, without a deadline. `env` is added to the
--- environment, or, with `alone`, is all of it; a table `note` gets the end of standard error as `stderr`, also when
--- the wait is cut off. A program that fails has still run: that is no error here.
---@param loop any
---@param options { args: string[], cwd?: string, env?: table<string, string>, alone?: boolean, stdin?: string, limit?: integer, note?: table }
---@return orchlua.Outcome? outcome
---@return orchlua.Error? problem  of type `exec` when it could not start, `limit` when it wrote too much
function M.run(loop, options)
  local handle <close>, problem = loop:process {
    args = options.args, cwd = options.cwd, env = options.env, inherit_env = not options.alone, stdin = options.stdin,
    limit = options.limit
  }
  if not handle then return nil, failure(problem, "exec") end
  local _ <close> = noting(handle, options.note)
  local outcome, broken = handle:wait()
  if not outcome then return nil, failure(broken, "exec") end
  if outcome.overflow then
    local text = ("`%s` wrote more than %d bytes"):format(M.command_text(options.args), options.limit)
    return nil, errors.new("limit", text, { stderr = outcome.stderr, retryable = false })
  end
  return { status = outcome.status, signal = outcome.signal, stdout = outcome.stdout, stderr = outcome.stderr }
end

-- HTTP --------------------------------------------------------------------

--- Sends a request, waits for the status of its answer and hands both, and what else is given, to `consume`, which reads
--- the rest; without a deadline. `options` are those of the loop's `request`, and are read at once.
---@generic T
---@param loop any
---@param options table
---@param consume fun(handle: any, status: integer, ...): T?, orchlua.Error?
---@return T? result, orchlua.Error? problem
function M.transfer(loop, options, consume, ...)
  local handle <close>, problem = loop:request(options)
  if not handle then return nil, failure(problem) end
  local status, broken = handle:status()
  if not status then return nil, failure(broken) end
  return consume(handle, status, ...)
end

--- The head of a transfer's answer, headers under their names in lower case.
---@return { status: integer, headers: table<string, string>, url: string }? head, orchlua.Error? problem
function M.head(handle)
  local head, problem = handle:head()
  if not head then return nil, failure(problem) end
  return head
end

--- The whole body of a transfer.
---@return string? body, orchlua.Error? problem
function M.body(handle)
  local body, problem = handle:body()
  if not body then return nil, failure(problem) end
  return body
end

--- Hands the body of a transfer on as it comes: `take(piece)` for each piece, until it says true.
---@param handle any
---@param take fun(piece: string): boolean?
---@return orchlua.Error? problem   when it broke off
function M.pieces(handle, take)
  while true do
    local piece, problem = handle:read()
    if problem then return failure(problem) end
    if not piece or take(piece) then return nil end
  end
end

--- The start of a body, for messages: at most `most` bytes are read, and a longer one is given up.
---@param handle any
---@param most integer
---@return string
function M.start_of_body(handle, most)
  local pieces, size = {}, 0
  M.pieces(handle, function(piece)
    pieces[#pieces + 1] = piece
    size = size + #piece
    return size > most
  end)
  return table.concat(pieces):sub(1, most)
end

-- The library's functions -------------------------------------------------

local function check_options(name, options, schema, positional)
  local function refuse(text) error(("orchlua.%s: %s"):format(name, text), 0) end
  if type(options) ~= "table" then refuse("expected a table of options") end
  if not coroutine.isyieldable() then refuse("can only wait inside an agent or a handler") end
  for key, given in pairs(options) do
    local checker = schema[key]
    if checker then
      local normal, expected = checker(given)
      if normal == nil then refuse(("%s: expected %s"):format(key, expected)) end
    elseif not (positional and math.type(key) == "integer") then
      refuse(("unknown option `%s`"):format(tostring(key)))
    end
  end
end

local function any_text(given)
  if type(given) == "string" then return given end
  return nil, "a text"
end

local EXEC = {
  stdin = any_text, cwd = fields.name, env = fields.environment, timeout = fields.seconds, limit = fields.whole(1)
}

local function command_line(options)
  local args, expected = fields.command_line(table.move(options, 1, #options, 1, {}))
  if not args then error("orchlua.exec: expected " .. expected, 0) end
  return args
end

--- Runs a program: `exec(loop, { "prog", "arg", stdin =, cwd =, env =, timeout =, limit = })`.
--- `timeout` is 120 s unless given; `limit` is for its output, in bytes.
---@param loop any
---@param options table
---@return orchlua.Outcome? outcome, orchlua.Error? problem
function M.exec(loop, options)
  check_options("exec", options, EXEC, true)
  local process = {
    args = command_line(options), cwd = options.cwd, env = options.env, stdin = options.stdin, limit = options.limit or LIMIT
  }
  return M.within(loop, options.timeout or TIMEOUT, function() return M.run(loop, process) end)
end

local function method(given)
  if type(given) == "string" and given:find "^%u+$" then return given end
  return nil, 'a method such as "GET"'
end

local function anything(given) return { given } end

local HTTP = {
  url = fields.url, method = method, headers = fields.headers, body = any_text, json = anything,
  timeout = fields.seconds, limit = fields.whole(1)
}

local function json_text(given)
  local ordered, problem = value.from_lua(given)
  local text
  if ordered ~= nil then text, problem = json.encode(ordered) end
  if not text then error("orchlua.http: json: " .. tostring(problem), 0) end
  return text
end

--- A table of headers as the list that the loop takes, in the order of names.
---@param map? table<string, string>
---@param defaults? table<string, string>  those that `map` does not have
---@return string[][]
function M.header_list(map, defaults)
  local list, given = {}, {}
  for name, text in pairs(map or {}) do
    list[#list + 1] = { name, text }
    given[name:lower()] = true
  end
  for name, text in pairs(defaults or {}) do
    if not given[name:lower()] then list[#list + 1] = { name, text } end
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return list
end

local function http_request(options)
  if not options.url then error("orchlua.http: url: expected an address", 0) end
  if options.body and options.json ~= nil then error("orchlua.http: give `body` or `json`, not both", 0) end
  local body, defaults = options.body, nil
  if options.json ~= nil then
    body, defaults = json_text(options.json), { ["Content-Type"] = "application/json" }
  end
  return {
    method = options.method or (body and "POST" or "GET"), url = options.url, body = body,
    headers = M.header_list(options.headers, defaults), limit = options.limit or LIMIT
  }
end

---@class orchlua.Response
---@field status integer
---@field headers table<string, string>  names in lower case
---@field url string                     where it came from
---@field body string
local Response = {}
Response.__index = Response

--- The body as a value.
---@return any value, orchlua.Error? problem
function Response:json()
  local decoded, problem, offset = json.decode(self.body)
  if decoded ~= nil then return decoded end
  return nil, errors.new("json", ("the body is no JSON: %s"):format(problem), { offset = offset })
end

local function whole_response(handle)
  local head, unread = M.head(handle)
  if not head then return nil, unread end
  local body, problem = M.body(handle)
  if not body then return nil, problem end
  return setmetatable({ status = head.status, headers = head.headers, url = head.url, body = body }, Response)
end

--- Sends a request: `http(loop, { url =, method =, headers = { name = value }, body =, json =, timeout =, limit = })`.
--- `json` is a Lua value to send as JSON; with a body the method is POST unless
--- given. `timeout` is 120 s unless given; `limit` is for the answer's body, in
--- bytes. Any status is an answer.
---@param loop any
---@param options table
---@return orchlua.Response? response, orchlua.Error? problem
function M.http(loop, options)
  check_options("http", options, HTTP)
  local request = http_request(options)
  return M.within(loop, options.timeout or TIMEOUT, function() return M.transfer(loop, request, whole_response) end)
end

return M
