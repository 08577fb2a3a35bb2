-- References of a schema (`$ref`) that stay in its own document: JSON pointers behind a `#` (RFC 6901).

local core = require "orchlua.core"

local kind = core.value.kind

local M = {}

local function unescaped(step)
  step = step:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  return (step:gsub("~1", "/"):gsub("~0", "~"))
end

local function step_into(v, step)
  local of = kind(v)
  if of == "object" then return v[step] end
  if of == "array" and step:find "^%d+$" then return v[tonumber(step) + 1] end
end

--- What a reference inside the document means, or nil.
---@param root any   the whole schema
---@param reference string
---@return any
function M.resolve(root, reference)
  local pointer = reference:match "^#(.*)$"
  if not pointer or pointer ~= "" and pointer:sub(1, 1) ~= "/" then return nil end
  local found = root
  for step in pointer:gmatch "/([^/]*)" do
    found = step_into(found, unescaped(step))
    if found == nil then return nil end
  end
  return found
end

return M
