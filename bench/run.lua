-- `make bench`: every figure beside its floor or its plain counterpart, in the same run.
-- Medians of five. `make bench ONLY=memory` is one part; docs/performance.md tells what is
-- measured, and how.

package.path = "./?.lua;" .. package.path

local collector = require "orchlua.collector"
local report = require "bench.report"

-- The models first: what calls hold is measured in a process that has held nothing yet.
local PARTS = { "models", "memory", "durable" }

collector.begin() -- as the command does

local only = os.getenv "ONLY"
local figures = report.new "build/bench/figures.json"
for _, part in ipairs(PARTS) do
  if not only or only == "" or only == part then require("bench." .. part)(figures) end
end
figures:finish()
