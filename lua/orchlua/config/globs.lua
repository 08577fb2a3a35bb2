-- Which entry of a configuration a name means: an exact name, or a glob in
-- which `*` stands for any run of characters. The names come from programs,
-- which are not trusted, so none of them ever becomes a Lua pattern.

local M = {}

-- `a*b*c` as its pieces `a`, `b`, `c`.
local function split(text)
  local pieces, from = {}, 1
  for star in text:gmatch "()%*" do
    pieces[#pieces + 1] = text:sub(from, star - 1)
    from = star + 1
  end
  pieces[#pieces + 1] = text:sub(from)
  return { text = text, pieces = pieces, literals = #text - (#pieces - 1) }
end

-- The first and the last piece are fixed to the ends; each one between takes
-- the leftmost place that is left, which leaves the most room for the next.
local function fits(glob, name)
  local pieces = glob.pieces
  local first, last = pieces[1], pieces[#pieces]
  if #name < glob.literals or name:sub(1, #first) ~= first then return false end
  if last ~= "" and name:sub(-#last) ~= last then return false end
  local from, room = #first + 1, #name - #last
  for index = 2, #pieces - 1 do
    local _, to = name:find(pieces[index], from, true)
    if not to or to > room then return false end
    from = to + 1
  end
  return true
end

local function more_exact(a, b)
  if a.literals ~= b.literals then return a.literals > b.literals end
  return a.text < b.text
end

local function globs_of(map)
  local globs = {}
  for key in pairs(map) do
    if key:find("*", 1, true) then globs[#globs + 1] = split(key) end
  end
  table.sort(globs, more_exact)
  return globs
end

-- map → its globs, most exact first, and the names that were looked up: name → key, or false
local known = setmetatable({}, { __mode = "k" })

-- So many names are remembered of a map; programs choose them, so there is a bound.
local REMEMBERED = 1000

local function knowledge(map)
  local found = known[map]
  if not found or found.count > REMEMBERED then
    found = { globs = found and found.globs or globs_of(map), names = {}, count = 0 }
    known[map] = found
  end
  return found
end

local function find_key(globs, name)
  for _, glob in ipairs(globs) do
    if fits(glob, name) then return glob.text end
  end
  return false
end

--- The entry of `map` that `name` means. A key that equals the name wins; else,
--- of the keys with `*` that fit, the one with the most other characters, and of
--- equals the first in byte order. The map must not change after its first use here.
---@generic T
---@param map table<string, T>
---@param name string
---@return T? value, string? key
function M.match(map, name)
  local value = map[name]
  if value ~= nil then return value, name end
  local about = knowledge(map)
  local key = about.names[name]
  if key == nil then
    key = find_key(about.globs, name)
    about.names[name], about.count = key, about.count + 1
  end
  if key then return map[key], key end
end

return M
