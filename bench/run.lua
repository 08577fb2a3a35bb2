-- `make bench`: every figure beside its floor or its plain counterpart, in the same run.
-- Medians of five.

package.path = "./?.lua;" .. package.path

require "bench.memory" ()
require "bench.durable" ()
require "bench.models" ()
