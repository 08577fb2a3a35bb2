-- What work on large values costs: loop turns in proportion to their size, so that the step
-- limit bounds the time that a program takes between two waits, whatever it holds. Small
-- values cost nothing. The core charges for comparing and copying (`core/value.c`).

local M = {}

-- What is done in about a microsecond: bytes that are copied, looked through, or written or read one by
-- one, as JSON is; elements that are moved inside an array, or into a new one.
local COPIED, SEARCHED, WRITTEN, MOVED, COLLECTED = 1024, 256, 32, 256, 32
-- Bytes of the longest text that is written for nothing.
local SHORT = 256

--- Bytes of strings have been copied.
function M.copied(run, size)
  if size >= COPIED then run:charge(size // COPIED) end
end

--- Bytes of strings are looked through: for a text, or for characters.
function M.searched(run, size)
  if size >= COPIED then run:charge(size // SEARCHED) end
end

--- Bytes have been written one by one, or are read so.
function M.written(run, size)
  if size > SHORT then run:charge(size // WRITTEN) end
end

--- Elements of an array are moved, and not looked at.
function M.moved(run, count)
  if count >= MOVED then run:charge(count // MOVED) end
end

--- Elements go into a new array, and are not looked at.
function M.collected(run, count)
  if count >= MOVED then run:charge(count // COLLECTED) end
end

return M
