-- heartbeat: renew the lease of an incarnation that still has one.
-- ARGV: incarnation, lease (ms), then field, value ... of what it says of itself
-- Answers: 1, or 0 when the lease was lost; a lost lease is never given again to the same incarnation.
-- Keys: processes, process:{incarnation}.
-- Guards J5: a process that was stopped past its lease learns it here, and every script refuses it.

if not has_lease(ARGV[1]) then return 0 end
redis.call('ZADD', PROCESSES, now_ms() + ARGV[2], ARGV[1])
redis.call('HSET', PROCESS .. ARGV[1], unpack(ARGV, 3))
return 1
