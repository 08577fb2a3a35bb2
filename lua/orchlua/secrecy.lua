-- Keys of agents: where they are read, and how they are kept out of everything that is
-- kept or shown. A secret is known only while a request is made; what a server sends back
-- passes a mask first, so that one that echoes a key tells nobody.

local M = {}

local MASKED = "[secret]"
-- A shorter text is no secret: masking it would garble answers.
local SHORTEST = 8

local function trimmed(text) return text:match "^%s*(.-)%s*$" end

local function from_file(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, "cannot read the key: " .. message end
  local text = file:read(64 * 1024)
  file:close()
  text = trimmed(text or "")
  if text == "" then return nil, ("cannot read the key: %s is empty"):format(path) end
  if text:find "[%c\x7f-\xff ]" then return nil, ("cannot read the key: %s is not one line of plain text"):format(path) end
  return text
end

local function from_environment(name)
  local text = trimmed(os.getenv(name) or "")
  if text == "" then return nil, ("the environment has no key: %s is not set"):format(name) end
  if text:find "[%c\x7f-\xff ]" then return nil, ("the environment variable %s holds no key: it is not one line of plain text"):format(name) end
  return text
end

--- Reads a key: from a file, or else from the environment.
---@param path? string
---@param variable? string
---@return string? key
---@return string? problem   when it is named and cannot be had
function M.read(path, variable)
  if path then return from_file(path) end
  if variable then return from_environment(variable) end
  return nil
end

local SECRET_HEADERS = { "auth", "credential", "key", "token", "secret", "cookie", "password" }

local function is_secret_header(name)
  name = name:lower()
  for _, word in ipairs(SECRET_HEADERS) do
    if name:find(word, 1, true) then return true end
  end
  return false
end

local function add(secrets, text)
  if #text < SHORTEST then return end
  secrets[#secrets + 1] = text
  local in_json = text:gsub('["\\]', "\\%0")
  if in_json ~= text then secrets[#secrets + 1] = in_json end
end

--- What must not be seen of a request: its key, and the values of headers that carry one,
--- whole and without their scheme.
---@param key? string
---@param headers? table<string, string>
---@return string[]   the longest first
function M.of(key, headers)
  local secrets = {}
  if key then add(secrets, key) end
  for name, text in pairs(headers or {}) do
    if is_secret_header(name) then
      add(secrets, trimmed(text))
      add(secrets, trimmed(text):match "^%S+%s+(%S.*)$" or "")
    end
  end
  table.sort(secrets, function(a, b) return #a > #b or #a == #b and a < b end)
  return secrets
end

local function replaced(text, secret)
  local at, stop = text:find(secret, 1, true)
  if not at then return text end
  local pieces, from = {}, 1
  while at do
    pieces[#pieces + 1] = text:sub(from, at - 1)
    pieces[#pieces + 1] = MASKED
    from = stop + 1
    at, stop = text:find(secret, from, true)
  end
  pieces[#pieces + 1] = text:sub(from)
  return table.concat(pieces)
end

local function masked(text, secrets)
  for _, secret in ipairs(secrets) do text = replaced(text, secret) end
  return text
end

local LARGE = 1024 * 1024

local function longest_word(secret)
  local longest = ""
  for word in secret:gmatch "%w+" do
    if #word > #longest then longest = word end
  end
  return longest
end

-- Whether a closer look is worth its time: in a large text, where a word of a secret stands, which nobody needs to escape.
local function has_a_word(text, secrets)
  if #text < LARGE then return true end
  for _, secret in ipairs(secrets) do
    if text:find(longest_word(secret), 1, true) then return true end
  end
  return false
end

local function is_escaped(text)
  return text:find("\\/", 1, true) or text:find("\\u00", 1, true) or text:find("%", 1, true) and text:find "%%[2-7]%x"
end

-- A printable character as a JSON text may have it in a string.
local function character(hex)
  local char = string.char(tonumber(hex, 16))
  if char == '"' or char == "\\" then return "\\" .. char end
  return char:find "^[\x20-\x7E]$" and char or nil
end

-- What stands behind a backslash, and its backslash, without the escape when there need be none.
local function plain_escape(sign, rest)
  if sign == "/" then return "/" .. rest end
  local hex = sign == "u" and rest:match "^00(%x%x)$"
  return hex and character(hex)
end

-- A text with the characters as they are that stand in it as JSON or an address has them: `\/`, `\u002f`, `%2F`.
local function written_plainly(text)
  return (text:gsub("\\(.)([^\\]?[^\\]?[^\\]?[^\\]?)", plain_escape):gsub("%%(%x%x)", character))
end

--- A text with every secret in it masked. Where one was escaped, the text's other escapes
--- are taken back with it: in JSON they mean the same.
---@param text string
---@param secrets string[]
---@return string
function M.mask(text, secrets)
  if not secrets[1] then return text end
  text = masked(text, secrets)
  if not has_a_word(text, secrets) or not is_escaped(text) then return text end
  local plain = written_plainly(text)
  local again = masked(plain, secrets)
  return again ~= plain and again or text
end

-- The length of the longest end of `text` that a secret may begin with.
local function possible_start(text, secrets)
  local longest = 0
  for _, secret in ipairs(secrets) do
    for size = math.min(#secret - 1, #text), longest + 1, -1 do
      if text:sub(-size) == secret:sub(1, size) then
        longest = size
        break
      end
    end
  end
  return longest
end

--- A mask for a text that comes in pieces: what could be the start of a secret is held
--- back until it is known. `mask(piece)` gives what can be shown; `mask(nil)` the rest: the better part of a
--- secret that was cut off is masked too.
---@param secrets string[]
---@return fun(piece: string?): string
function M.masker(secrets)
  local held = ""
  return function(piece)
    if not piece then
      local rest = #held >= SHORTEST and MASKED or held
      held = ""
      return rest
    end
    local text = masked(held .. piece, secrets)
    local size = possible_start(text, secrets)
    held = text:sub(#text - size + 1)
    return text:sub(1, #text - size)
  end
end

return M
