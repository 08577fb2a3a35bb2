-- Writes libFuzzer's dictionary for the compiler: the language's words and signs.
--   lua tools/dictionary.lua >FILE

package.path = "./lua/?.lua;" .. package.path

local words = require "orchlua.dsl.words"

local signs = {
  "{{", "}}", "\\{{", '"""', "=>", "==", "!=", "<=", ">=", "&&", "||", "?.", " ? ", ": ", ":\n  ", "\n  ", "\n", "\r\n", "\\u00e9", "\\ud83d\\ude00", "## ",
  "```dsl\n", "```\n", "~~~", "---\n", "FROM ANY(", "FROM ALL(", "PARALLEL(limit: 2):\n  ", " AS x", "completion:async", "pattern:", "orchestration:run",
  "COUNT(", "FILTER(", "MAP(", "REDUCE(", "RANGE(", "SORT(", "EXTRACT(", "JSON.parse(", ".push(", ".length", "FOREACH_INDEX",
}

local list = {}
for word in pairs(words.reserved) do list[#list + 1] = word end
table.sort(list)
for _, word in ipairs(list) do print(('"%s"'):format(word)) end
for _, sign in ipairs(signs) do
  print(('"%s"'):format(sign:gsub('[%c"\\]', function(char) return ("\\x%02x"):format(char:byte()) end)))
end
