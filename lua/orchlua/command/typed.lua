-- Values as people type them on the command line: JSON, or else text.

local core = require "orchlua.core"
local errors = require "orchlua.error"
local source = require "orchlua.dsl.source"

local json, value = core.json, core.value

local M = {}

--- The value of a text. What begins as an object or an array is meant as one.
---@param text string
---@param what string   whose value it is, for a message
---@return any value, orchlua.Error? err
function M.value(text, what)
  local decoded, message, at = json.decode(text)
  if decoded ~= nil then return decoded end
  if not text:find "^%s*[{[]" then return value.utf8(text) end
  return nil, errors.new("usage", ("%s is no JSON: %s at byte %d"):format(what, message, at),
    { excerpt = source.new(text, ""):excerpt(at), hint = [[a text that begins so is given as a JSON string: '"[draft] …"']] })
end

return M
