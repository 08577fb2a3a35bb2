-- A random generator whose whole state is one integer, so that a run can carry
-- it: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
-- generators", 2014).

local M = {}

--- The next number in [0, 1) and the state after it.
---@param state integer
---@return number number
---@return integer state
function M.next(state)
  state = state + 0x9E3779B97F4A7C15
  local z = state
  z = (z ~ (z >> 30)) * 0xBF58476D1CE4E5B9
  z = (z ~ (z >> 27)) * 0x94D049BB133111EB
  z = z ~ (z >> 31)
  return (z >> 11) * (1 / (1 << 53)), state
end

--- A state to start from, of the system's entropy.
---@return integer
function M.seed()
  local file = io.open("/dev/urandom", "rb")
  if file then
    local bytes = file:read(8)
    file:close()
    if bytes and #bytes == 8 then return (string.unpack("i8", bytes)) end
  end
  return os.time() * 0x9E3779B97F4A7C15 ~ math.floor(os.clock() * 1e9)
end

return M
