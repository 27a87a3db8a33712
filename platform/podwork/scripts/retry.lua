-- retry: put a job into the schedule, after a failure or because it asked for it.
-- ARGV: incarnation, shop, id, due (ms), record (with the attempt counted and the error), counter of the totals
-- Answers: 1, or 0 when the process does not hold the job (any more); then nothing was changed.
-- Uses: ending.
-- Keys: jobs:{shop}, schedule, totals.
-- Guards J5.

local incarnation, shop, id, due, record = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local hold = let_go(incarnation, id)
if not hold then return 0 end
if ended_by_cancel(shop, id, hold) then return 1 end
redis.call('HSET', JOBS .. shop, id, record)
redis.call('ZADD', SCHEDULE, due, id)
redis.call('HINCRBY', TOTALS, ARGV[6], 1)
return 1
