-- How the specs are reported: each failure in full, what is pending, and the
-- closing line `N passed, N failed` that scripts read.

local base = require "busted.outputHandlers.base"

return function()
  local busted = require "busted"
  local handler = base()

  local function describe(entry)
    return ("%s:%s: %s"):format(entry.element.trace.short_src, entry.element.trace.currentline, entry.name)
  end

  local function show(kind, list)
    for _, entry in ipairs(list) do
      print(("\n%s  %s"):format(kind, describe(entry)))
      print(type(entry.message) == "string" and entry.message or entry.message and require("pl.pretty").write(entry.message) or "no message")
      if kind == "ERROR" and entry.trace and entry.trace.traceback then print(entry.trace.traceback) end
    end
  end

  handler.fileStart = function(element)
    io.write(element.name, "\n")
    io.flush()
    return nil, true
  end

  handler.suiteEnd = function()
    for _, entry in ipairs(handler.pendings) do
      print(("pending  %s%s"):format(describe(entry), type(entry.message) == "string" and ": " .. entry.message or ""))
    end
    show("FAILED", handler.failures)
    show("ERROR", handler.errors)
    local failed = handler.failuresCount + handler.errorsCount
    local pending = handler.pendingsCount > 0 and (", %d skipped"):format(handler.pendingsCount) or ""
    print(("\n%d passed, %d failed%s"):format(handler.successesCount, failed, pending))
    return nil, true
  end

  busted.subscribe({ "file", "start" }, handler.fileStart)
  busted.subscribe({ "suite", "end" }, handler.suiteEnd)
  return handler
end
