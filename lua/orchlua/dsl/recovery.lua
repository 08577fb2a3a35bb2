-- What a wrong line may have meant: hints for its error, and what stands in the
-- tree for it, so that its names, its block and its clauses are known and
-- one mistake is one error.

local cursors = require "orchlua.dsl.cursor"
local nearest = require "orchlua.nearest"
local words = require "orchlua.dsl.words"

local M = {}

local commands = {}
for _, list in ipairs { words.statements, words.clauses } do
  for _, word in ipairs(list) do
    commands[#commands + 1] = word
    commands[word] = true
  end
end

-- What other languages call a statement.
local foreign = {
  ["for"] = "FOREACH", each = "FOREACH", loop = "WHILE", ["until"] = "WHILE", let = "STATE", var = "STATE", const = "STATE", ["local"] = "STATE",
  ["elseif"] = "ELIF", elsif = "ELIF", except = "CATCH", ensure = "FINALLY", throw = "FAIL", raise = "FAIL", sleep = "WAIT", delay = "WAIT",
  match = "SWITCH", when = "CASE", otherwise = "DEFAULT", emit = "EVENT", push = "APPEND", log = "TRACK", print = "TRACK",
}

--- The keyword that the first word of a statement stands for or seems to mean; and a hint when it is another word.
---@param token orchlua.Token
---@return string? keyword
---@return string? hint
function M.meant(token)
  if token.type ~= "name" then return nil end
  local upper = token.value:upper()
  if commands[token.value] then return token.value end
  if commands[upper] or words.reserved[upper] and upper ~= token.value then
    return upper, ("keywords are upper case: %s"):format(upper)
  end
  local known = foreign[token.value:lower()]
  if known then return known, ("here this is written %s"):format(known) end
  local near = nearest.find(token.value, commands)
  if near then return near, ("did you mean `%s`?"):format(near) end
end

-- The words up to a `=` that is an assignment, such as `x.y` of `x.y += 1`.
local function assigned(cursor, text)
  for i = 2, #cursor.tokens do
    local token = cursor.tokens[i]
    if token.value == "=" and token.type == "sign" then
      return text:sub(cursor.tokens[1].pos, token.pos - 1):match "^.*[^%s%+%-%*/%%]"
    end
  end
end

local function assignment(cursor, token, path)
  local hint = path == token.value and ("STATE %s = … declares it, UPDATE %s = … changes it"):format(path, path) or ("UPDATE %s = …"):format(path)
  cursor:fail("an assignment begins with a keyword", hint, token)
end

-- What to write instead of a call that stands alone.
local function call_hint(cursor, token)
  local following, method = cursor:peek(), cursor:peek(1)
  if following.value == "." and method.value == "push" then return ("APPEND %s value"):format(token.value) end
  if following.value == "(" then return ("what it gives is assigned: STATE x = %s(…)"):format(token.value) end
  if following.value == "." then return ("what it gives is assigned: STATE x = %s.…"):format(token.value) end
end

-- What comments begin with elsewhere: two signs, one behind the other.
local foreign_comments = { ["//"] = true, ["/*"] = true, ["--"] = true }

--- A hint where a comment seems to begin.
---@param token orchlua.Token
---@param following orchlua.Token   the next one
---@return string?
function M.comment(token, following)
  local begins = token.type == "sign" and following.type == "sign" and following.pos == token.stop and foreign_comments[token.value .. following.value]
  return begins and "comments begin with `#`" or nil
end

--- A hint where a line is a comment of another language, or seems to go on with the statement before it.
---@param token orchlua.Token       the line's first
---@param following orchlua.Token   the next one
---@return string?
function M.continued(token, following)
  local comment = M.comment(token, following)
  if comment then return comment end
  if token.value == "{" then return "`{` stands on the line of its statement" end
  if token.type == "sign" then return "a statement goes on over a line's end only inside brackets" end
end

--- Raises the error of a line that begins as no statement does.
---@param cursor orchlua.Cursor   behind its first token
---@param token orchlua.Token     the first token
---@param text string             the program
function M.unknown(cursor, token, text)
  if token.type ~= "name" then
    cursor:fail(("expected a statement, and found %s"):format(cursors.describe(token)), M.continued(token, cursor:peek()), token)
  end
  local path = not foreign[token.value:lower()] and not words.reserved[token.value:upper()] and assigned(cursor, text)
  if path then assignment(cursor, token, path) end
  local _, hint = M.meant(token)
  if not hint or hint:find "^did you mean" then hint = call_hint(cursor, token) or hint end
  cursor:fail(("`%s` is no statement"):format(token.value), hint or "a statement begins with a keyword: STATE, EVENT, IF, …", token)
end

--- The nodes of the statements that have clauses.
M.tags = { IF = "If", SWITCH = "Switch", TRY = "Try", AWAIT = "Await" }

-- Stand-ins ------------------------------------------------------------------------

local introduces = { STATE = true, INPUT = true, FOREACH = true, AWAIT = true, CATCH = true, AS = true }

local function name_of(token)
  if token.type == "name" and not words.reserved[token.value] then
    return { tag = "Name", name = token.value, pos = token.pos, stop = token.stop }
  end
end

-- The names that a wrong line seems to introduce, each as a STATE of null.
local function introduced(keyword, tokens)
  local found = {}
  local function add(token)
    local name = name_of(token)
    if not name then return end
    found[#found + 1] = {
      tag = "State", target = name, pos = name.pos, stop = name.stop, value = { tag = "Null", pos = name.pos, stop = name.stop },
    }
  end
  if introduces[keyword] then add(tokens[2]) end
  if keyword == "FOREACH" and #tokens > 4 and tokens[3].value == "," then add(tokens[4]) end
  for i = 3, #tokens do
    local before = tokens[i - 1]
    if before.type == "name" and introduces[before.value] then add(tokens[i]) end
  end
  return found
end

-- A statement that holds a block as the one meant does: what may stand in it is the same.
local function holder(keyword, pos, stop, block)
  if keyword == "PARALLEL" then return { tag = "Parallel", pos = pos, stop = stop, body = block } end
  local yes = { tag = "Boolean", value = true, pos = pos, stop = stop }
  if keyword == "WHILE" or keyword == "FOREACH" then return { tag = "While", pos = pos, stop = stop, cond = yes, body = block } end
  return { tag = "If", pos = pos, stop = stop, clauses = { { cond = yes, body = block, pos = pos, stop = stop } } }
end

--- Appends to a block what stands for a wrong line: the names it introduces, and the blocks under it.
---@param block orchlua.Node[]
---@param keyword string?            what the line seems to mean
---@param tokens orchlua.Token[]     the line
---@param bodies orchlua.Node[][]
function M.stand_in(block, keyword, tokens, bodies)
  for _, state in ipairs(introduced(keyword, tokens)) do block[#block + 1] = state end
  for _, body in ipairs(bodies) do
    if #body > 0 then block[#block + 1] = holder(keyword, tokens[1].pos, tokens[1].stop, body) end
  end
end

return M
