-- forget: drop a job that another pod has accepted under the same id.
-- ARGV: incarnation, shop, id
-- Answers: 1, or 0 when the process does not hold the job (any more); then nothing was changed.
-- Uses: ending.
-- Keys: jobs:{shop}, totals.
-- Guards J5. The push comes first and is deduplicated by id: a crash between the two repeats the push.

local incarnation, shop, id = ARGV[1], ARGV[2], ARGV[3]
local record = redis.call('HGET', JOBS .. shop, id)
if not let_go(incarnation, id) then return 0 end
redis.call('HDEL', JOBS .. shop, id)
local extras = record and extras_of(record) or {}
if extras.u or extras.w then unlock(shop, extras.u or extras.w, id) end -- it has its lock where it is now
redis.call('HINCRBY', TOTALS, 'forwarded', 1)
return 1
