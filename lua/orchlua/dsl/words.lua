-- The reserved words of the language: upper case, never names.

local M = {}

--- Words that begin a statement.
M.statements = {
  "INPUT", "STATE", "UPDATE", "SET", "APPEND", "TRACK", "BUDGET", "IF", "WHILE", "FOREACH", "BREAK", "CONTINUE", "SWITCH", "EVENT", "AWAIT",
  "SEND", "SHARE", "PERSIST", "PARALLEL", "BRANCH", "TRY", "WAIT", "RETURN", "FAIL",
}

--- Words that begin a clause of the statement before them.
M.clauses = { "ELSE", "ELIF", "CASE", "DEFAULT", "TIMEOUT", "CATCH", "FINALLY" }

--- Every reserved word.
M.reserved = {}
for _, list in ipairs { M.statements, M.clauses, { "IN", "AS", "FROM", "WITH", "NOT", "AND", "OR", "ASC", "DESC", "WHERE" } } do
  for _, word in ipairs(list) do M.reserved[word] = true end
end
for _, word in ipairs { "true", "false", "null" } do M.reserved[word] = true end

return M
