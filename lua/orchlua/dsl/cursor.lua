-- A place in the tokens of one logical line, and what every parser asks of it:
-- look, take, expect, and complain with what was found.

local words = require "orchlua.dsl.words"

local M = {}

---@class orchlua.Cursor
---@field tokens orchlua.Token[]
---@field at integer
---@field depth integer   how deep expressions are nested here
local Cursor = {}
Cursor.__index = Cursor
M.Cursor = Cursor

--- A cursor at the first of some tokens; the last has the type "end".
---@param tokens orchlua.Token[]
---@param depth? integer
---@return orchlua.Cursor
function M.new(tokens, depth)
  return setmetatable({ tokens = tokens, at = 1, depth = depth or 0 }, Cursor)
end

--- The next token, or the one `ahead` further on.
function Cursor:peek(ahead)
  return self.tokens[self.at + (ahead or 0)] or self.tokens[#self.tokens]
end

--- The token before this place; nil at the first.
function Cursor:previous()
  return self.tokens[self.at - 1]
end

--- Whether the next token is this sign or word.
function Cursor:is(text)
  local token = self.tokens[self.at]
  return token.value == text and (token.type == "sign" or token.type == "name")
end

function Cursor:take()
  local token = self.tokens[self.at]
  if token.type ~= "end" then self.at = self.at + 1 end
  return token
end

--- Takes this sign or word when it is next.
function Cursor:accept(text)
  if self:is(text) then return self:take() end
end

--- Whether the logical line ends here.
function Cursor:finished()
  return self.tokens[self.at].type == "end"
end

--- How a token reads in a message.
function M.describe(token)
  if token.type == "end" then return token.pos < token.stop and "`}}`" or "the end of the line" end
  if token.type == "string" then return "a string" end
  if token.type == "label" then return "a label" end
  return ("`%s`"):format(token.value)
end

--- Raises a syntax error at a token (the next one by default).
function Cursor:fail(message, hint, token)
  token = token or self:peek()
  error({ syntax = true, pos = token.pos, stop = math.max(token.stop, token.pos + 1), message = message, hint = hint }, 0)
end

--- Takes this sign or word, or complains: `what` says what it would be for.
function Cursor:expect(text, what, hint)
  local token = self:accept(text)
  if token then return token end
  self:fail(("expected `%s`%s, and found %s"):format(text, what and " " .. what or "", M.describe(self:peek())),
    self:keyword_hint() or hint)
end

local inside = { AND = true, OR = true, NOT = true, IN = true, AS = true, FROM = true, WITH = true, WHERE = true, ASC = true, DESC = true, TIMEOUT = true }

--- A hint where the next word, or the one before it, is in small letters and would be a
--- keyword inside a line in capitals.
function Cursor:keyword_hint()
  for _, token in ipairs { self:peek(), self:previous() } do
    local upper = token.type == "name" and token.value:upper()
    if upper and upper ~= token.value and inside[upper] then
      return ("keywords are upper case: %s"):format(upper)
    end
  end
end

--- Takes a name: a word that is not reserved.
---@return orchlua.Node Name
function Cursor:name(what)
  local token = self:peek()
  if token.type ~= "name" then
    self:fail(("expected %s, and found %s"):format(what or "a name", M.describe(token)))
  end
  if words.reserved[token.value] then
    self:fail(("`%s` is a reserved word and cannot be a name"):format(token.value), "names are usually written in lower case")
  end
  self:take()
  return { tag = "Name", name = token.value, pos = token.pos, stop = token.stop }
end

--- Where the token before this place ends.
function Cursor:last_stop()
  local token = self.tokens[self.at - 1]
  return token and token.stop or self.tokens[1].pos
end

return M
