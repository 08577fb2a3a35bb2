-- The requests of a run that are in flight, found by their numbers.

local owns = require "orchlua.run.own"

local own, none = owns.own, owns.shared.requests

local M = {}

-- Numbers only rise. Lua makes a table anew when its places are used up, and with 64 requests at a time, each sent when
-- another has been answered, that would be at nearly every one. So `run.requests` has pages, each for 64 numbers in a
-- row; `last` is where the newest stands, which stays when it is empty.
local PAGE = 64

local function new_page(pages, at)
  local last = pages[pages.last]
  if last and last.count == 0 then pages[pages.last] = nil end
  local page = { count = 0 }
  pages[at], pages.last = page, at
  return page
end

--- A request is in flight from here on.
---@param request orchlua.Request
function M.put(run, request)
  local number, pages = request.number, run.requests
  if pages == none then pages = own(run, "requests") end
  local at = number // PAGE
  local page = pages[at] or new_page(pages, at)
  page[number % PAGE + 1], page.count = request, page.count + 1
  run.request_total = run.request_total + 1
end

--- The request of a number that is in flight, or nil.
---@return orchlua.Request?
function M.find(run, number)
  local page = run.requests[number // PAGE]
  return page and page[number % PAGE + 1]
end

--- Takes out the request of a number: it is not in flight any more. Nil when it was not.
---@return orchlua.Request?
function M.take(run, number)
  local pages, at, place = run.requests, number // PAGE, number % PAGE + 1
  local page = pages[at]
  local request = page and page[place]
  if not request then return nil end
  page[place], page.count = nil, page.count - 1
  if page.count == 0 and at ~= pages.last then pages[at] = nil end
  run.request_total = run.request_total - 1
  return request
end

--- Whether a request of a kind is in flight.
---@param kind string
---@return boolean
function M.has(run, kind)
  for _, request in pairs(M.by_number(run)) do
    if request.kind == kind then return true end
  end
  return false
end

--- The requests in flight by their numbers, as snapshots have them.
---@return table<integer, orchlua.Request>
function M.by_number(run)
  local requests = {}
  for at, page in pairs(run.requests) do
    for i = 1, at ~= "last" and PAGE or 0 do
      local request = page[i]
      if request then requests[request.number] = request end
    end
  end
  return requests
end

--- The other way round, for a run that has none.
function M.restore(run, requests)
  run.requests, run.request_total = nil, nil
  for _, request in pairs(requests) do M.put(run, request) end
end

--- The requests in flight, the oldest first.
---@return orchlua.Request[]
function M.list(run)
  local list = {}
  for _, request in pairs(M.by_number(run)) do list[#list + 1] = request end
  table.sort(list, function(a, b) return a.number < b.number end)
  return list
end

return M
