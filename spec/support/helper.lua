-- Loaded before the specs: nothing may hang a run of them for ever, and random
-- inputs are the same every time unless SPEC_SEED says otherwise.

math.randomseed(tonumber(os.getenv "SPEC_SEED") or 20260101)
