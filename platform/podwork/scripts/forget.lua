-- forget: drop a job that another pod has accepted under the same id.
-- ARGV: incarnation, shop, id
-- Answers: 1, or 0 when the process does not hold the job (any more); then nothing was changed.
-- Keys: held:{incarnation}, jobs:{shop}, totals.
-- Guards J5. The push comes first and is deduplicated by id: a crash between the two repeats the push.

local incarnation, shop, id = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HDEL', HELD .. incarnation, id) == 0 then return 0 end
redis.call('HDEL', JOBS .. shop, id)
redis.call('HINCRBY', TOTALS, 'forwarded', 1)
return 1
