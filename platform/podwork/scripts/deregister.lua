-- deregister: leave in order. If the process still holds jobs, its lease ends now and others reclaim them.
-- ARGV: incarnation
-- Answers: how many jobs it still held.
-- Keys: held:{incarnation}, idle, idle:{queue}, leader, orders:{incarnation}, process:{incarnation}, processes.

local incarnation = ARGV[1]
unlist(incarnation)
local left = redis.call('HLEN', HELD .. incarnation)
if left > 0 then
  redis.call('ZADD', PROCESSES, 'XX', 0, incarnation)
else
  redis.call('ZREM', PROCESSES, incarnation)
  redis.call('DEL', PROCESS .. incarnation, ORDERS .. incarnation)
end
if redis.call('GET', LEADER) == incarnation then redis.call('DEL', LEADER) end
return left
