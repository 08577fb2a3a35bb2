-- Which values of a list are equal: the place of one, and an identity for each, by
-- which UNIQUE finds equal ones without comparing every pair.

local check = require "orchlua.functions.check"
local core = require "orchlua.core"
local errors = require "orchlua.error"

local kind = core.value.kind
local DEEPEST = 1000

local M = {}

--- The 1-based position of the first element of an array that equals `x`, or nil.
---@return integer?
function M.position(run, name, list, x)
  run:charge(#list)
  if type(x) ~= "table" then
    for i = 1, #list do
      if list[i] == x then return i end
    end
    return nil
  end
  for i = 1, #list do
    if check.equal(run, name, list[i], x) then return i end
  end
end

-- Gives equal tables one mark, in time that goes with their size: a table is known
-- by the text of its elements, in which the tables among them are numbers.
local Marks = {}
Marks.__index = Marks

local function scalar_text(v)
  if type(v) == "string" then return "s" .. #v .. ":" .. v end
  if type(v) ~= "number" then return tostring(v) end
  local whole = math.tointeger(v)
  return whole and tostring(whole) or ("%a"):format(v)
end

function Marks:text(v)
  if type(v) ~= "table" then return scalar_text(v) end
  local mark, problem = self:of(v)
  return mark and "t" .. mark.number, problem
end

-- The texts of a table's elements, an object's by the order of its keys' bytes.
function Marks:element_texts(v)
  local keys = kind(v) == "object" and table.move(v, 1, #v, 1, {})
  local texts = { keys and "o" or "a" }
  if keys then table.sort(keys) end
  for i = 1, #v do
    local text, problem = self:text(keys and v[keys[i]] or v[i])
    if not text then return nil, problem end
    texts[i + 1] = keys and scalar_text(keys[i]) .. "=" .. text or text
  end
  return texts
end

function Marks:of(v)
  if self.known[v] then return self.known[v] end
  if self.inside[v] then return nil, "a value inside itself" end
  self.run:charge(#v)
  if self.depth >= DEEPEST then return nil, ("a value nested more than %d deep"):format(DEEPEST) end
  self.inside[v], self.depth = true, self.depth + 1
  local texts, problem = self:element_texts(v)
  self.inside[v], self.depth = nil, self.depth - 1
  if not texts then return nil, problem end
  local text = table.concat(texts, ",")
  local mark = self.marks[text]
  if not mark then
    self.count = self.count + 1
    mark = { number = self.count }
    self.marks[text] = mark
  end
  self.known[v] = mark
  return mark
end

--- A list of identities, of a list of values: two are the same when the values are equal.
---@param run table    what is inside tables is charged
---@param name string   the function that asks, for its errors
---@param list any[]
---@return any[]
function M.of_each(run, name, list)
  local marks = setmetatable({ run = run, known = {}, inside = {}, marks = {}, count = 0, depth = 0 }, Marks)
  local result = {}
  for i = 1, #list do
    local id, problem = list[i], nil
    if type(id) == "table" then id, problem = marks:of(id) end
    if id == nil then errors.raise("type", ("%s cannot compare %s"):format(name, problem)) end
    result[i] = id
  end
  return result
end

return M
