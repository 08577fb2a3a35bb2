-- Three ways of counting primes. Fermat's test to the base 2 takes 341 and other
-- pseudoprimes for primes; asked again by somebody who disagrees, the counter
-- tests to the bases 3, 5 and 7 as well.

local function sieve(limit)
  local composite, count = {}, 0
  for i = 2, limit - 1 do
    if not composite[i] then
      count = count + 1
      for k = i * i, limit - 1, i do composite[k] = true end
    end
  end
  return count
end

local function by_division(limit)
  local count = 0
  for n = 2, limit - 1 do
    local prime, d = true, 2
    while prime and d * d <= n do
      prime = n % d ~= 0
      d = d + 1
    end
    if prime then count = count + 1 end
  end
  return count
end

local function power(base, exponent, modulus)
  local result = 1
  base = base % modulus
  while exponent > 0 do
    if exponent % 2 == 1 then result = result * base % modulus end
    base, exponent = base * base % modulus, exponent // 2
  end
  return result
end

local function by_fermat(limit, bases)
  local count = 0
  for n = 2, limit - 1 do
    local prime = true
    for _, base in ipairs(bases) do prime = prime and (n % base == 0 and n == base or n % base ~= 0 and power(base, n - 1, n) == 1) end
    if prime then count = count + 1 end
  end
  return count
end

local function disagrees(others, count)
  for _, name in ipairs(others) do
    if others[name] ~= count then return true end
  end
  return false
end

local function fermat(request)
  local count = by_fermat(request.data.limit, { 2 })
  if #request.data.others > 0 and disagrees(request.data.others, count) then
    return { count = by_fermat(request.data.limit, { 2, 3, 5, 7 }), reasoning = "counted again with four bases" }
  end
  return { count = count, reasoning = "base 2" }
end

return {
  agents = {
    sieve = function(request) return { count = sieve(request.data.limit) } end,
    division = function(request) return { count = by_division(request.data.limit) } end,
    fermat = fermat,
  },
}
