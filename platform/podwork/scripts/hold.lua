-- hold: stop what fits from being started, until it is lifted or its time is over.
-- ARGV: hold's name, length (ms, 0: until lifted), queue or *, class or *, shop or *, JSON (reason, owner, since)
-- Answers: when it ends, ms; 0: when it is lifted.
-- Keys: alarms, holds.
-- Nothing is moved here: the next claim meets the hold (claim.lua). What runs goes on.

local till = tonumber(ARGV[2]) > 0 and now_ms() + tonumber(ARGV[2]) or 0
local text = string.format('%.0f %s %s %s %s', till, ARGV[3], ARGV[4], ARGV[5], ARGV[6])
redis.call('HSET', HOLDS, ARGV[1], text)
if till > 0 then redis.call('ZADD', ALARMS, till, 'hold:' .. ARGV[1]) end
return till
