-- Group chat: participants speak in turns, a moderator may choose whose turn it is, until somebody ends it.
--
--   EVENT pattern:group_chat {topic: "Name the product", participants: ["ada", "grace"], max_turns: 6} AS chat

local orchlua = require "orchlua"
local patterns = require "orchlua.patterns"

local SPEAK = "We talk about: {topic}\nSo far: {messages}\nIt is your turn. Say {ending} when we are done."
local CHOOSE = "Whose turn is it? The topic: {topic}\nSo far: {messages}\nAnswer with one of {participants}, or {ending} when they are done."

local function named(participants, text)
  for _, name in ipairs(participants) do
    if text:find(name, 1, true) then return name end
  end
end

-- Whose turn it is: nil ends the chat. A moderator that fails or names nobody leaves it to the order.
local function next_speaker(flow, p, turn, messages)
  local in_turn = p.participants[(turn - 1) % #p.participants + 1]
  if not p.moderator then return in_turn end
  local prompt = patterns.fill(CHOOSE, { topic = p.topic, messages = messages, participants = p.participants, ending = p.ending })
  local ok, reply = flow:try(function() return flow:ask(p.moderator, prompt, { timeout = p.timeout }) end)
  if not ok then return in_turn end
  if reply.output:find(p.ending, 1, true) then return nil end
  return named(p.participants, reply.output) or in_turn
end

return {
  name = "group_chat",
  summary = "Participants speak in turns until somebody ends it; a moderator may choose whose turn it is.",
  params = {
    topic = { "any", description = "what they talk about" },
    participants = { "array", description = "who speaks" },
    moderator = { "string", optional = true, description = "the agent that chooses who is next; else they take turns" },
    max_turns = { "integer", default = 10, description = "how many turns at most" },
    ending = { "string", default = "DONE", description = "the word that ends the chat" },
    timeout = { "number", optional = true, description = "seconds for each answer" },
  },

  --- Gives {messages, output, ended}: {speaker, text} of every turn, failures as such; the last text; whether somebody ended it.
  run = function(flow, p)
    if #p.participants == 0 then error { type = "pattern", message = "pattern group_chat: `participants` is empty" } end
    local messages, ended = orchlua.array {}, false
    for turn = 1, p.max_turns do
      local speaker = next_speaker(flow, p, turn, messages)
      ended = speaker == nil
      if ended then break end
      local prompt = patterns.fill(SPEAK, { topic = p.topic, messages = messages, ending = p.ending })
      local ok, reply = flow:try(function() return flow:ask(speaker, prompt, { timeout = p.timeout }) end)
      messages[turn] = ok and { speaker = speaker, text = reply.output } or { speaker = speaker, failed = reply.message }
      flow:emit("agent:progress", { speaker = speaker, turn = turn, progress_percent = 100 * turn / p.max_turns })
      ended = ok and reply.output:find(p.ending, 1, true) ~= nil
      if ended then break end
    end
    local last = messages[#messages]
    return { messages = messages, output = last and last.text or orchlua.null, ended = ended }
  end,
}
