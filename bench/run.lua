-- `make bench`: every figure beside its floor or its plain counterpart, in the same run.
-- Medians of five.

package.path = "./?.lua;" .. package.path

-- The models first: what calls hold is measured in a process that has held nothing yet.
require "bench.models" ()
require "bench.memory" ()
require "bench.durable" ()
