-- Whether an edited program can take over a run of another one: the statements that lie
-- behind, and the headers of those around, must be as they were, comments and layout
-- aside. Gives where the run stands in the edited program, and how the names of blocks
-- and loops there correspond.

local grammar = require "orchlua.dsl.grammar"
local source = require "orchlua.dsl.source"
local walk = require "orchlua.dsl.walk"

local M = {}

-- The tree as the grammar makes it, without what later passes write into it.
local function parsed(program)
  local of = program.source
  local text = source.new(of.text, of.name, { first_line = of.first_line, indent = of.indent })
  return grammar.parse(text, {}), text
end

-- A block's statements, without the headings.
local function statements(block)
  local list = {}
  for _, node in ipairs(block) do
    if node.tag ~= "Heading" then list[#list + 1] = node end
  end
  return list
end

-- The way to the statement at a position: at each level the number of the statement in
-- its block, and `inner`, which of that statement's blocks the way goes on in.
local function path_to(block, pos)
  for index, node in ipairs(statements(block)) do
    if node.pos == pos then return { { index = index } } end
    for number, inner in ipairs(walk.blocks(node)) do
      local path = path_to(inner, pos)
      if path then
        table.insert(path, 1, { index = index, inner = number })
        return path
      end
    end
  end
end

-- Comparing -------------------------------------------------------------------------

local places = { pos = true, stop = true, name_pos = true, op_pos = true }

local function blocks_of(node)
  local set = {}
  for _, block in ipairs(walk.blocks(node)) do set[block] = true end
  return set
end

local function same(a, b, blocks_a, blocks_b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  if blocks_a and blocks_a[a] then return blocks_b[b] == true end
  for key, field in pairs(a) do
    if not places[key] and not same(field, b[key], blocks_a, blocks_b) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil and not places[key] then return false end
  end
  return true
end

local function same_header(a, b)
  return a.tag == b.tag and #walk.blocks(a) == #walk.blocks(b) and same(a, b, blocks_of(a), blocks_of(b))
end

local function header_text(text, node)
  return (text.text:sub(node.pos, node.stop - 1):gsub("%s+", " "))
end

-- The first lines of a statement's blocks: those of clauses have a place of their own.
local function headers(text, node)
  local list = {}
  local function add(part, words) list[#list + 1] = { line = text:position(part.pos), text = words or header_text(text, part) } end
  if not node.clauses then add(node) end
  for _, clause in ipairs(node.clauses or node.cases or { node.catch }) do add(clause) end
  for field, words in pairs { finally = "FINALLY", otherwise = "ELSE", default = "DEFAULT", on_timeout = "TIMEOUT" } do
    if node[field] then add(node, words) end
  end
  return list
end

local function is_new(line, text) return ("`%s` on line %d of the new program was not there"):format(text, line) end

-- Which of the first lines of two statements differ.
local function header_difference(old_text, old, new_text, new)
  local before, after = headers(old_text, old), headers(new_text, new)
  for i = 1, math.max(#before, #after) do
    local was, is = before[i], after[i]
    if not was then return is_new(is.line, is.text) end
    if not is then return ("line %d, `%s`, is not there any more"):format(was.line, was.text) end
    if was.text ~= is.text then return ("line %d, `%s`, is `%s` on line %d of the new program"):format(was.line, was.text, is.text, is.line) end
  end
  return ("line %d, `%s`, differs on line %d of the new program"):format(before[1].line, before[1].text, after[1].line)
end

-- What differs first between a statement and the one in its place.
local function difference(old_text, old, new_text, new)
  if not new then return ("line %d, `%s`, is not there any more"):format(old_text:position(old.pos), header_text(old_text, old)) end
  if not same_header(old, new) then return header_difference(old_text, old, new_text, new) end
  local new_blocks = walk.blocks(new)
  for number, block in ipairs(walk.blocks(old)) do
    local before, after = statements(block), statements(new_blocks[number])
    for i, node in ipairs(before) do
      if not after[i] or not same(node, after[i]) then return difference(old_text, node, new_text, after[i]) end
    end
    local more = after[#before + 1]
    if more then return is_new(new_text:position(more.pos), header_text(new_text, more)) end
  end
  return header_difference(old_text, old, new_text, new)
end

-- Goes down both trees along the path; the new statement, or what differs.
local function follow(path, old_tree, old_text, new_tree, new_text)
  local old_block, new_block = old_tree.body, new_tree.body
  for level, step in ipairs(path) do
    local old, new = statements(old_block), statements(new_block)
    for i = 1, step.index - 1 do
      if not new[i] or not same(old[i], new[i]) then return nil, difference(old_text, old[i], new_text, new[i]) end
    end
    local old_node, new_node = old[step.index], new[step.index]
    if not new_node then return nil, difference(old_text, old_node, new_text, nil) end
    if level == #path then return new_node end
    if not same_header(old_node, new_node) then return nil, difference(old_text, old_node, new_text, new_node) end
    old_block, new_block = walk.blocks(old_node)[step.inner], walk.blocks(new_node)[step.inner]
  end
end

-- Names of blocks -----------------------------------------------------------------------

-- The slots that a statement opens for its blocks, and for itself, by what they are.
local function slots_of(node)
  local caught = node.catch and node.catch.var
  local slots = { var = node.var and node.var.slot, key = node.key and node.key.slot, index = node.index, caught = caught and caught.slot }
  for _, slot in ipairs(node.hidden or {}) do slots[slot.name] = slot end
  return slots
end

-- Carries what a statement around the place holds over to the new one. A loop counts
-- in its own variable where nothing else assigns it, else in a position of its own.
local function carry(frame, old, new, result)
  for what, slot in pairs(new) do
    local from = old[what] or what == "position" and old.var
    if what == "var" and not new.position and old.position then from = old.position end
    if from then result[slot.key] = frame[from.key] elseif what == "stop" then result[slot.key] = 0 end
  end
end

-- What the statements around the place hold in the frame of the old program, by the
-- keys of the new one.
local function carried_along(path, old_tree, new_tree, frame)
  local result, old_block, new_block = {}, old_tree.body, new_tree.body
  for level = 1, #path - 1 do
    local step = path[level]
    local old_node, new_node = statements(old_block)[step.index], statements(new_block)[step.index]
    carry(frame, slots_of(old_node), slots_of(new_node), result)
    old_block, new_block = walk.blocks(old_node)[step.inner], walk.blocks(new_node)[step.inner]
  end
  return result
end

--- Finds the place of a run in an edited program.
---@param old orchlua.Program
---@param new orchlua.Program
---@param pos integer   of the statement where the run stands, in the old one
---@param frame table   the main branch's, of the old one
---@return { pos: integer, held: table<string, any> }? place   the statement in the new one, and what its loops and blocks hold there
---@return string? difference
function M.place(old, new, pos, frame)
  local old_tree, old_text = parsed(old)
  local new_tree, new_text = parsed(new)
  local path = path_to(old_tree.body, pos)
  if not path then return nil, "the run stands at no statement of its own program" end
  local statement, differs = follow(path, old_tree, old_text, new_tree, new_text)
  if not statement then return nil, differs end
  return { pos = statement.pos, held = carried_along(path, old.tree, new.tree, frame) }
end

return M
