-- The processes that a script in a spec has noted: `echo $$ > file`.

local M = {}

--- The process ids that a file holds. The file is removed.
---@param path string
---@return string[]
function M.listed(path)
  local file = assert(io.open(path))
  local pids = {}
  for pid in file:read("a"):gmatch "%d+" do pids[#pids + 1] = pid end
  file:close()
  os.remove(path)
  return pids
end

return M
