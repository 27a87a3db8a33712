-- crash: end the hold on one job whose own process died (worker/isolation), as a reclaim would; its neighbours stay.
-- ARGV: incarnation, shop, id, what its process did ('was killed by SIGSEGV'), poison (reclaims that bury a job),
--       window (ms in which they count), most, age (ms) of the dead set
-- Answers: false when the process does not hold the job (any more), then nothing was changed; otherwise its fate:
--          'queued', 'buried' or 'cancelled'.
-- Uses: ending, judging.
-- Keys: idle, idle:{queue}, jobs:{shop}, lane:{queue}:{shop}, processes, ring:{queue}, sizes, totals.
-- Guards J5, J1 (it is queued again or stands in the dead set) and J2 (what may start only once does not start again).

local incarnation, shop, id = ARGV[1], ARGV[2], ARGV[3]
local hold = let_go(incarnation, id)
if not hold then return false end
redis.call('HINCRBY', TOTALS, 'reclaimed', 1)
local record = redis.call('HGET', JOBS .. shop, id)
if not record or ended_by_cancel(shop, id, hold) then return 'cancelled' end
local fate, judged = judge(record, hold, true, ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]))
if fate == 'buried' then
  bury(shop, id, judged, tonumber(ARGV[7]), tonumber(ARGV[8]))
else
  redis.call('HSET', JOBS .. shop, id, judged)
  enter(queue_of(judged), shop, { id }, true)
end
return fate
