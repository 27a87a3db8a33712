-- register: give a new incarnation its lease.
-- ARGV: incarnation, lease (ms), then field, value ... of what it says of itself
-- Keys: process:{incarnation}, processes.

redis.call('ZADD', PROCESSES, now_ms() + ARGV[2], ARGV[1])
redis.call('HSET', PROCESS .. ARGV[1], unpack(ARGV, 3))
return 1
