-- bury: put an exhausted job into the dead set.
-- ARGV: incarnation, shop, id, record (with the reason), most (jobs kept), age (ms; older ones go)
-- Answers: 1, or 0 when the process does not hold the job (any more); then nothing was changed.
-- Uses: ending.
-- Guards J5, and J1: a job ends in the dead set, not in nothing.

local incarnation, shop, id, record = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local hold = let_go(incarnation, id)
if not hold then return 0 end
if ended_by_cancel(shop, id, hold) then return 1 end
bury(shop, id, record, tonumber(ARGV[5]), tonumber(ARGV[6]))
return 1
