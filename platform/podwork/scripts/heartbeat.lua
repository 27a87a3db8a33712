-- heartbeat: renew the lease of an incarnation that still has one, and hear what it is told.
-- ARGV: incarnation, lease (ms), then field, value ... of what it says of itself
-- Answers: false when the lease was lost; a lost lease is never given again to the same incarnation. Otherwise
--          {now (ms), 1 when it is the pod's leader, 1 when somebody's lease has expired, order ...}.
-- Keys: leader, orders:{incarnation}, process:{incarnation}, processes.
-- Guards J5: a process that was stopped past its lease learns it here, and every script refuses it. Who leads is
-- a matter of promptness only: nothing is safe because of it. A dead leader's place is free when it is reclaimed.

local incarnation = ARGV[1]
if not has_lease(incarnation) then return false end
local now = now_ms()
redis.call('ZADD', PROCESSES, now + ARGV[2], incarnation)
redis.call('HSET', PROCESS .. incarnation, unpack(ARGV, 3))
local leader = redis.call('SET', LEADER, incarnation, 'NX', 'GET')
local expired = redis.call('ZRANGEBYSCORE', PROCESSES, '-inf', now, 'LIMIT', 0, 1)
local orders = redis.call('LPOP', ORDERS .. incarnation, 100) or {}
return { now, (not leader or leader == incarnation) and 1 or 0, #expired, unpack(orders) }
