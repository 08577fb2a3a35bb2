-- Finds the programs in a Markdown file: its front matter, and the fenced blocks
-- that are labelled `dsl`, or unlabelled and start as a program does.

local front_matter = require "orchlua.dsl.front_matter"
local words = require "orchlua.dsl.words"

local M = {}

---@class orchlua.LiterateProgram
---@field name? string        its own title, or else the heading above
---@field title string        the same, or a stand-in
---@field slug string
---@field number integer       from 1, in the order of the file
---@field text string
---@field first_line integer   the line of the file its text begins on
---@field indent integer       columns that the fence is indented by

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\r?\n" do lines[#lines + 1] = line end
  return lines
end

-- Front matter ------------------------------------------------------------------

-- The front matter, the line after it, and the lines of its fields. One that opens and never closes counts
-- as wrong when a field follows, for its security profile not to be passed over.
local function front_of(lines, diagnostics)
  if not lines[1]:find "^%-%-%-%s*$" then return nil, 1 end
  local function wrong(line, message)
    diagnostics[#diagnostics + 1] = { severity = "error", line = line, message = message }
  end
  for i = 2, #lines do
    if lines[i]:find "^%-%-%-%s*$" or lines[i]:find "^%.%.%.%s*$" then
      local front, message, line, at = front_matter.read(table.concat(lines, "\n", 2, i - 1))
      if not front then wrong(line + 1, message) end
      for field, number in pairs(at or {}) do at[field] = number + 1 end
      return front, i + 1, at
    end
  end
  if (lines[2] or ""):find "^[%w_]+:" then wrong(1, "the front matter is never closed") end
  return nil, 1
end

-- Blocks --------------------------------------------------------------------------

local function starts_as_program(body)
  for _, line in ipairs(body) do
    if line:find "^##" then return true end
    local first = line:match "^%s*(%S+)"
    if first and first:sub(1, 1) ~= "#" then
      local word = first:match "^%u+%f[^%w_]"
      for _, statement in ipairs(words.statements) do
        if word == statement then return true end
      end
      return false
    end
  end
  return false
end

local function is_program(info, body)
  local label = info:match "^%s*(%S*)"
  if label:lower() == "dsl" then return true end
  return label == "" and starts_as_program(body)
end

-- The fence that opens on a line: its indentation, mark and info string.
local function opening(line)
  local indent, mark, info = line:match "^( *)(```+)([^`]*)$"
  if not indent then indent, mark, info = line:match "^( *)(~~~+)(.*)$" end
  return indent, mark, info
end

local function closes(line, mark)
  local found = line:match "^ *([`~]+)%s*$"
  return found ~= nil and #found >= #mark and found == mark:sub(1, 1):rep(#found)
end

--- The slug of a title: lower case, words joined by `-`. Letters beyond ASCII stay as they are.
---@param title string
---@return string
function M.slug(title)
  local slug = title:lower():gsub("[^%w%s_\128-\255-]", ""):gsub("%s+", "-"):gsub("%-%-+", "-")
  return (slug:match "^%-*(.-)%-*$")
end

local function own_title(body)
  for _, line in ipairs(body) do
    local title = line:match "^##%s*([^#].-)%s*$"
    if title then return title end
  end
end

-- `used` has for each slug that is taken the last number that was put behind it.
local function unique_slug(title, used)
  local slug = M.slug(title)
  if slug == "" then slug = "program" end
  local candidate, count = slug, used[slug] or 1
  while used[candidate] do
    count = count + 1
    candidate = slug .. "-" .. count
  end
  used[candidate] = 1
  used[slug] = count
  return candidate
end

local function add_program(programs, used, body, heading, first_line, indent)
  local name = own_title(body) or heading
  local title = name or ("program %d"):format(#programs + 1)
  programs[#programs + 1] = {
    name = name, title = title, slug = unique_slug(title, used), number = #programs + 1, text = table.concat(body, "\n") .. "\n",
    first_line = first_line, indent = indent,
  }
end

-- The block that opens at line `i`: its lines without the fence's indentation, and the line after it.
local function block_at(lines, i, indent, mark)
  local body, last = {}, #lines
  for j = i + 1, #lines do
    if closes(lines[j], mark) then
      last = j
      break
    end
    body[#body + 1] = lines[j]:gsub("^" .. (" ?"):rep(#indent), "")
  end
  return body, last + 1
end

-- The heading on a line: `# …`, or text that the next line underlines.
local function heading_at(lines, i)
  local title = lines[i]:match "^#+%s+(.-)%s*#*%s*$"
  if title or lines[i]:find "^%s*$" or lines[i]:find "^%s*[-*+>|]" then return title end
  local under = lines[i + 1] or ""
  if under:find "^===*%s*$" or under:find "^%-%-%-*%s*$" then return lines[i]:match "^%s*(.-)%s*$" end
end

--- Finds the programs of a Markdown file.
---@param text string
---@return { front: table?, front_lines: table<string, integer>?, programs: orchlua.LiterateProgram[], diagnostics: table[] }
function M.programs(text)
  local lines, diagnostics, programs, used, heading = lines_of((text:gsub("^\239\187\191", ""))), {}, {}, {}, nil
  local front, i, front_lines = front_of(lines, diagnostics)
  while i <= #lines do
    local indent, mark, info = opening(lines[i])
    if indent then
      local body, after = block_at(lines, i, indent, mark)
      if is_program(info, body) then add_program(programs, used, body, heading, i + 1, #indent) end
      i = after
    else
      heading = heading_at(lines, i) or heading
      i = i + 1
    end
  end
  return { front = front, front_lines = front_lines, programs = programs, diagnostics = diagnostics }
end

--- Finds one program by its number, its slug or a unique beginning of it.
---@param programs orchlua.LiterateProgram[]
---@param selector string
---@return orchlua.LiterateProgram? program, string? message
function M.find(programs, selector)
  local by_number, matching = selector:find "^%d+$" and programs[math.tointeger(tonumber(selector)) or 0], {}
  if by_number then return by_number end
  selector = selector:lower()
  for _, program in ipairs(programs) do
    if program.slug == selector then return program end
    if selector ~= "" and program.slug:sub(1, #selector) == selector then matching[#matching + 1] = program end
  end
  if #matching == 1 then return matching[1] end
  local list = {}
  for _, program in ipairs(#matching > 1 and matching or programs) do
    list[#list + 1] = ("  %d  #%s"):format(program.number, program.slug)
  end
  return nil, ("%s `#%s`; there %s\n%s"):format(#matching > 1 and "more than one program begins with" or "no program is called", selector,
    #list == 1 and "is" or "are", table.concat(list, "\n"))
end

return M
