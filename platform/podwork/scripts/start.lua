-- start: say that a job is really being started, where that matters: it was reclaimed before, it may start only once,
-- or it has a lock until its start.
-- ARGV: incarnation, shop, id, flags to set ('S', 'O'), digest of the lock or ''
-- Answers: 1, or 0 when the process does not hold the job (any more): then it must not be started.
-- Uses: ending.
-- Keys: held:{incarnation}.
-- A process that dies holds jobs that it had not started; they are not poison. Saying so for every start would
-- cost each job a command, so it is said only where somebody asks later (reclaim.lua).

local incarnation, shop, id, flags, digest = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local hold = redis.call('HGET', HELD .. incarnation, id)
if not hold then return 0 end
local time, before, limits = string.match(hold, '^(%d+)|?([%a-]*)|?(.*)$')
redis.call('HSET', HELD .. incarnation, id, time .. '|' .. before .. flags .. '|' .. limits)
if digest ~= '' then unlock(shop, digest, id) end
return 1
