-- announce: say that an application was started. Starts are in the order in which they said so first, by no clock.
-- ARGV: application, token of the start, most starts to remember
-- Answers: 1: no later start is known; 0: there is one.
-- Keys: catalogues.

local starts, token = CATALOGUES .. ARGV[1], ARGV[2]
local newest = redis.call('ZRANGE', starts, -1, -1, 'WITHSCORES')
if newest[1] == token then return 1 end
if redis.call('ZSCORE', starts, token) then return 0 end
redis.call('ZADD', starts, (newest[2] or 0) + 1, token)
redis.call('ZREMRANGEBYRANK', starts, 0, -tonumber(ARGV[3]) - 1)
return 1
