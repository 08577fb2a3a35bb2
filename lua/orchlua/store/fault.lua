-- What is wrong with a store, in words.

local errors = require "orchlua.error"

local M = {}

--- What SQLite says about a store.
---@param path string
---@param err { code: integer, message: string }
---@return orchlua.Error
function M.of(path, err)
  local hints = {
    [8] = "the file or its folder cannot be written", [13] = "the disk is full: make room, then resume the run",
    [10] = "the disk did not take or give the data", [5] = "another process kept the store locked for too long",
    [11] = "the file is damaged", [26] = "give another file with --store",
  }
  return errors.new("store", ("the store %s: %s"):format(path, err.message), { code = err.code, hint = hints[err.code] })
end

return M
