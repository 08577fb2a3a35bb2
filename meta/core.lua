---@meta orchlua.core
-- What the C modules give, for the Lua language server. A spec compares these names
-- with the loaded module.

---@class orchlua.core
---@field value orchlua.core.value
---@field json orchlua.core.json
---@field digest orchlua.core.digest
---@field snapshot orchlua.core.snapshot
---@field memory orchlua.core.memory
---@field loop orchlua.core.loop
---@field terminal orchlua.core.terminal
local core = {}

---@class orchlua.core.value
---@field null lightuserdata
---@field Array table
---@field Object table
---@field Reply table
local value = {}

---@param t? any[]
---@return table
function value.array(t) end

---@param t? table
---@return table
function value.object(t) end

---@param v any
---@return "null"|"boolean"|"number"|"string"|"array"|"object"|nil
function value.kind(v) end

---@param v any
---@param fresh? boolean
---@param counter? { charge: fun(self, turns: integer) }   what it takes is charged
---@return any copy, string? message
function value.copy(v, fresh, counter) end

---@param counter? { charge: fun(self, turns: integer) }   what it takes is charged
---@return boolean
function value.equal(a, b, counter) end

---@param s string
---@param part string
---@param from? integer
---@return integer? first, integer? last
function value.find(s, part, from) end

---@param counter? { charge: fun(self, turns: integer) }   what it takes is charged
---@return string
function value.text(v, counter) end

---@param n number
---@return string
function value.number_text(n) end

---@param s string
---@return string
function value.utf8(s) end

---@return any value, string? message
function value.from_lua(v) end

---@class orchlua.core.json
local json = {}

---@param v any
---@param indent? integer
---@return string? text, string? message
function json.encode(v, indent) end

--- Whether the JSON of a value has more bytes, or is none because it would be too large.
---@param v any
---@param bytes integer
---@return boolean
function json.longer(v, bytes) end

---@param text string
---@return any value, string? message, integer? at
function json.decode(text) end

--- As `decode`, in a coroutine: yields each time about `slice` bytes have been read.
---@param text string
---@param slice integer
---@return any value, string? message, integer? at
function json.decode_slowly(text, slice) end

--- What lies at each path in a text that is an object, `{ "choices/1/text", "usage" }`: keys and places in arrays. Of what lies
--- at none no value is made. No path may lead into what another one finds.
---@param text string
---@param paths string[]   16 at most
---@return true? found, any ...   the values, nil where there is none; or, when the text is no object: nil, a message, and where
function json.find(text, paths) end

---@class orchlua.core.digest
local digest = {}

---@param bytes string
---@return string hex
function digest.sha256(bytes) end

---@class orchlua.core.snapshot
local snapshot = {}

---@param root table
---@param names table<table, string>
---@return string bytes
function snapshot.encode(root, names) end

---@param bytes string
---@param by_name table<string, table>
---@return table? root, string? message
function snapshot.decode(bytes, by_name) end

---@class orchlua.core.memory
local memory = {}

---@param v any
---@param without? table<table, any>
---@return integer bytes
function memory.weigh(v, without) end

---@return orchlua.core.Guard
function memory.guard() end

---@class orchlua.core.Guard
local Guard = {}

---@param bytes integer
function Guard:arm(bytes) end

---@return integer bytes
function Guard:allocated() end

---@return integer bytes
function Guard:disarm() end

---@class orchlua.core.terminal
local terminal = {}

---@param descriptor integer
---@return boolean
function terminal.is_terminal(descriptor) end

---@param descriptor integer
---@return integer? columns, integer? rows
function terminal.size(descriptor) end

---@class orchlua.core.loop
local loop = {}

---@return orchlua.core.Loop? loop, table? err
function loop.new() end

---@return number seconds   since the epoch
function loop.clock() end

---@return integer files   that the process may have open now
function loop.allow_files() end

---@class orchlua.core.Loop
local Loop = {}

---@param seconds? number
---@return boolean active
function Loop:turn(seconds) end

---@return number seconds
function Loop:now() end

---@param seconds number
function Loop:timer(seconds) end

---@param name string
---@param callback fun()
function Loop:signal(name, callback) end

---@return string? name
function Loop:pending_signal() end

---@param path string
---@param callback fun()
function Loop:watch(path, callback) end

---@param options { args: string[], cwd: string?, env: table?, stdin: string?, limit: integer?, grace: number? }
function Loop:process(options) end

---@param options { method: string?, url: string, headers: table?, body: string?, limit: integer? }
function Loop:request(options) end

---@param options { path: string, log_ahead: boolean? }
---@return orchlua.core.Database? database, table? err
function Loop:database(options) end

---@param co thread
function Loop:resume(co, ...) end

---@param callback fun()
function Loop:defer(callback) end

---@return integer open
function Loop:handles() end

function Loop:close() end

---@class orchlua.core.Database
local Database = {}

---@param sql string
---@return table[]? rows, table? err
function Database:query(sql, ...) end

---@param sql string
---@return boolean? ok, table? err
function Database:execute(sql) end

---@param sql string
---@return boolean? ok, table? err
function Database:set_writer(sql) end

---@param sql string
---@return integer number
function Database:statement(sql) end

---@param statement integer
---@param tag integer
function Database:add(statement, tag, ...) end

---@param statement integer
---@param tag integer
function Database:guard(statement, tag, ...) end

---@return integer operations, integer bytes
function Database:pending() end

---@param operations integer
---@param bytes integer
function Database:truncate(operations, bytes) end

---@return table[]? answers, table? err, number seconds
function Database:commit() end

---@param callback fun(answers: table[]?, err: table?, seconds: number)
function Database:commit_later(callback) end

---@return table[]? answers, table? err, number seconds
function Database:settle() end

function Database:close() end

return core
