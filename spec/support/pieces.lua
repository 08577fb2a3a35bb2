-- Cuts a text into pieces, as fuzzing and the specs feed them to what reads a stream.

local M = {}

--- How many bytes say how to cut.
M.HEAD = 4

--- The pieces of a text; the bytes of `head` are their sizes in turn, modulo 16, so that a digit is itself. 0 is an
--- empty piece, with one byte behind it.
---@param text string
---@param head string   at least `HEAD` bytes, when there is a text
---@return string[]
function M.cut(text, head)
  local pieces, at, count = {}, 1, 0
  while at <= #text do
    local size = head:byte(count % M.HEAD + 1) % 16
    if size == 0 then pieces[#pieces + 1], size = "", 1 end
    pieces[#pieces + 1] = text:sub(at, at + size - 1)
    at, count = at + size, count + 1
  end
  return pieces
end

return M
