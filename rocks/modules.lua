-- Writes the list of modules into the rockspec, from the tree: `make rockspec`.
--   lua5.4 rocks/modules.lua rocks/orchlua-scm-1.rockspec

local path = assert(arg[1], "give the rockspec")

local function lines_of(command)
  local list = {}
  for line in io.popen(command):lines() do list[#list + 1] = line end
  return list
end

local function module_name(file)
  return (file:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", "."))
end

local function modules()
  local text = {}
  for _, file in ipairs(lines_of "find lua/orchlua -name '*.lua' | sort") do
    text[#text + 1] = ("    [%q] = %q,"):format(module_name(file), file)
  end
  for _, file in ipairs(lines_of "find patterns -name '*.lua' | sort") do
    text[#text + 1] = ("    [%q] = %q,"):format("orchlua." .. module_name(file), file)
  end
  return table.concat(text, "\n")
end

local function sources()
  local text = {}
  for _, file in ipairs(lines_of "find core -name '*.c' | sort") do text[#text + 1] = ("        %q,"):format(file) end
  return table.concat(text, "\n")
end

-- Puts `content` between the two comments that name `mark`.
local function between(text, mark, content)
  local first, head, tail, last = text:match("()(%-%- " .. mark .. ":[^\n]*\n).-( *%-%- end of " .. mark .. ")()")
  assert(first, "the rockspec has no place for " .. mark)
  return text:sub(1, first - 1) .. head .. content .. "\n" .. tail .. text:sub(last)
end

local file = assert(io.open(path))
local text = file:read "a"
file:close()
text = between(text, "sources", sources())
text = between(text, "modules", modules())
file = assert(io.open(path, "w"))
file:write(text)
file:close()
