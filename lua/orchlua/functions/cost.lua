-- What work on large values costs: loop turns in proportion to their size, so that the step
-- limit bounds the time that a program takes between two waits, whatever it holds. Small
-- values cost nothing. The core charges for comparing and copying (`core/value.c`).

local M = {}

-- What is done in about the time of a turn or a few: bytes that are copied or looked through, bytes
-- that are written or read one by one, as JSON is, and elements that are moved.
local COPIED, WRITTEN, MOVED = 1024, 32, 256
-- Bytes of the longest text that is written for nothing.
local SHORT = 256

--- Bytes of strings have been copied, or are looked through.
function M.copied(run, size)
  if size >= COPIED then run:charge(size // COPIED) end
end

--- Bytes have been written one by one, or are read so.
function M.written(run, size)
  if size > SHORT then run:charge(size // WRITTEN) end
end

--- Elements of an array are moved, and not looked at.
function M.moved(run, count)
  if count >= MOVED then run:charge(count // MOVED) end
end

return M
