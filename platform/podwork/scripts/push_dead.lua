-- push_dead: accept a job that has failed for good elsewhere: it stands in the dead set, and is not run.
-- ARGV: shop, epoch, id, record, when it was buried (ms)
-- Answers: {'accepted', id}; or {'HOLD'}, {'MOVED', pod, epoch}.
-- Uses: gates.
-- Keys: dead, jobs:{shop}.
-- Guards J3; an id that is here already is left alone.

local shop, id = ARGV[1], ARGV[3]
local refusal = refusal_of(shop, tonumber(ARGV[2]))
if refusal then return refusal end
if redis.call('HSETNX', JOBS .. shop, id, ARGV[4]) == 1 then redis.call('ZADD', DEAD, ARGV[5], id) end
return { 'accepted', id }
