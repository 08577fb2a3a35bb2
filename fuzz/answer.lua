-- Fuzzes the reader of HTTP/1.1's answers: the first byte says whether it is to a request for a head, and whether the
-- connection ends behind it; the next four are the sizes of the pieces that the rest comes in. However it is cut, the
-- same is read.

local pieces = require "spec.support.pieces"
local read = require "spec.support.answer"

local OPTIONS = 1

local function text_of(answer)
  return ("%q %q %s %s %d %d %s"):format(answer.lines, answer.body, answer.ended, answer.keeps, answer.status, answer.left, answer.problem)
end

return function(bytes)
  local options = (bytes:byte() or 0) % 4
  local to_head, closed = options % 2 == 1, options >= 2
  local text = bytes:sub(OPTIONS + pieces.HEAD + 1)
  local cut = pieces.cut(text, bytes:sub(OPTIONS + 1))
  assert(table.concat(cut) == text)
  local whole = read({ text }, to_head, closed)
  assert(text_of(read(cut, to_head, closed)) == text_of(whole), "the same answer in pieces")
  assert(not (whole.ended and whole.problem), "ended and broken")
  return text_of(whole)
end
