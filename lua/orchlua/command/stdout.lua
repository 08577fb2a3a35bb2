-- Standard output: the one place that writes to it. What cannot be written is told when
-- the command ends, and is a failure of the command; whoever closes the pipe early has
-- seen enough, and that is none.

-- What the system says of a pipe that nobody reads (EPIPE).
local CLOSED_PIPE = 32

---@class orchlua.Stdout
---@field broken? { message: string, code: integer }   the first failure; behind it nothing is written, since a part would be missing before it
local M = {}

local function check(self, ok, message, code)
  if not ok and not self.broken then self.broken = { message = message, code = code } end
end

--- Writes texts.
---@param ... string
function M:write(...)
  if not self.broken then check(self, io.stdout:write(...)) end
  return self
end

--- Hands over what was written so far, so that whoever reads sees it now.
function M:flush()
  if not self.broken then check(self, io.stdout:flush()) end
end

--- Whether something that was to be written is lost.
function M:is_lost() return self.broken ~= nil and self.broken.code ~= CLOSED_PIPE end

--- Ends the output: the exit status of a command that would have this one.
---@param status integer
---@return integer status
function M:finish(status)
  self:flush()
  if not self:is_lost() then return status end
  io.stderr:write("orchlua: standard output cannot be written: ", self.broken.message, "\n")
  return status == 0 and 1 or status
end

return M
