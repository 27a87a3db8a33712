-- park: set a job aside whose class this revision of the code does not know.
-- ARGV: incarnation, shop, id, class
-- Answers: 1, or 0 when the process does not hold the job (any more); then nothing was changed.
-- Keys: held:{incarnation}, parked, parked:{class}.
-- Guards J5 and J7.

local incarnation, id, class = ARGV[1], ARGV[3], ARGV[4]
if redis.call('HDEL', HELD .. incarnation, id) == 0 then return 0 end
redis.call('SADD', PARKED, class)
redis.call('ZADD', PARKED_CLASS .. class, now_ms(), id)
return 1
