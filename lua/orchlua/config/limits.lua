-- What a run may take of the machine, and what a store keeps of it: the limits, and what they
-- are unless somebody says otherwise. `run/limits.lua` has the errors.

local M = {}

local MIB = 1024 * 1024

---@class orchlua.Limits.Run
---@field steps integer      loop turns between two waits
---@field memory integer     bytes that a run holds
---@field reply integer      bytes of an answer
---@field row integer        bytes of what one row of the journal holds
---@field branches integer   branches at a time
---@field requests integer   requests in flight at a time
M.DEFAULTS = { steps = 10000000, memory = 1024 * MIB, reply = 64 * MIB, row = 64 * MIB, branches = 100000, requests = 100000 }

--- Rows that a run keeps behind its snapshot, and days that a run is kept after it has ended.
---@type { rows: integer, days: number }
M.RETENTION = { rows = 10000, days = 30 }

return M
