-- How values are shown in what is said of schemas.

local core = require "orchlua.core"
local io = require "orchlua.io"

local M = {}

-- Bytes of a value that are shown.
local SHOWN = 60

--- A value as JSON, the start of it when it is long.
---@param v any
---@return string
function M.shown(v)
  local text = core.json.encode(v) or "a value nested too deep"
  local short = io.first(text, SHOWN)
  return short == text and text or short .. "…"
end

return M
