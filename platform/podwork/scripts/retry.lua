-- retry: put a failed job into the schedule.
-- ARGV: incarnation, shop, id, due (ms), record (with the attempt counted and the error)
-- Answers: 1, or 0 when the process does not hold the job (any more); then nothing was changed.
-- Keys: held:{incarnation}, jobs:{shop}, schedule, totals.
-- Guards J5.

local incarnation, shop, id, due, record = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if redis.call('HDEL', HELD .. incarnation, id) == 0 then return 0 end
redis.call('HSET', JOBS .. shop, id, record)
redis.call('ZADD', SCHEDULE, due, id)
redis.call('HINCRBY', TOTALS, 'retried', 1)
return 1
