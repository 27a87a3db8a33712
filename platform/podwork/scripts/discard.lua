-- discard: end a job without success: nobody needs it any more.
-- ARGV: incarnation, shop, id, counter of the totals
-- Answers: 1, or 0 when the process does not hold the job (any more); then nothing was changed.
-- Uses: ending.
-- Keys: jobs:{shop}, totals.
-- Guards J5.

local incarnation, shop, id = ARGV[1], ARGV[2], ARGV[3]
if not let_go(incarnation, id) then return 0 end
local record = redis.call('HGET', JOBS .. shop, id)
if record then gone(shop, id, record, false) end
redis.call('HINCRBY', TOTALS, ARGV[4], 1)
return 1
