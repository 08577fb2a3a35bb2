-- The readers are Lua functions that read real files; the writer is one too. The
-- folder is found from this file's own place.

local folder = (debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" or ".") .. "/documents/"

local common = {}
for word in ("a about after all also an and are as at be because been before but by can each for from had has have in into is it "
  .. "its like made may more most no not of on one only or other out over own same so some such than that the their them then there these "
  .. "they this those through to two under until up was were what when where which while who will with without you"):gmatch "%a+" do
  common[word] = true
end

local function syllables(word)
  local _, count = word:gsub("[aeiouy]+", "")
  if word:find "[^aeiou]e$" and count > 1 then count = count - 1 end
  return math.max(1, count)
end

-- The five commonest words that carry meaning; at equal counts by the alphabet.
local function key_terms(counts)
  local words = {}
  for word in pairs(counts) do words[#words + 1] = word end
  table.sort(words, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  return { table.unpack(words, 1, 5) }
end

-- Counts words, and how easily the text reads (the Flesch formula: higher is easier).
local function analyse(text)
  local words, spoken, counts = 0, 0, {}
  for word in text:lower():gmatch "%a+" do
    words, spoken = words + 1, spoken + syllables(word)
    if #word > 3 and not common[word] then counts[word] = (counts[word] or 0) + 1 end
  end
  local _, sentences = text:gsub("[.!?]%s", "")
  local ease = 206.835 - 1.015 * words / math.max(1, sentences) - 84.6 * spoken / words
  return { words = words, ease = math.floor(ease * 10 + 0.5) / 10, terms = key_terms(counts) }
end

local function read(request)
  local file = assert(io.open(folder .. request.prompt, "rb"))
  local text = file:read "a"
  file:close()
  return analyse(text)
end

local function write(request)
  local lines = { "What the documents are about, the easiest to read first:" }
  for _, finding in ipairs(request.data.findings) do
    lines[#lines + 1] = ("  %-12s %4d words, reading ease %5.1f: %s"):format(finding.document, finding.words, finding.ease, table.concat(finding.terms, ", "))
  end
  for _, document in ipairs(request.data.missing) do
    lines[#lines + 1] = ("  %-12s could not be read"):format(document)
  end
  return table.concat(lines, "\n")
end

return { agents = { ["reader_*"] = read, writer = write } }
