-- complete: end a job that is done, and store the jobs that follow it, as one step.
-- ARGV: incarnation, shop, id, then for each follow-up: queue, due (ms, 0: now), id, record, locks (count), and
--       digest, period, conflict for each lock. Follow-ups are for the same shop.
-- Answers: 1, or 0 when the process does not hold the job (any more); then nothing was changed.
-- Uses: ending, storing.
-- Keys: jobs:{shop}, totals.
-- Guards J5: the follow-ups exist if and only if the job ended here. The gate is not asked: the job ran under it, and
-- a lane whose gate has closed since leaves the ring by itself (claim.lua) and goes with its shop.

local incarnation, shop, id = ARGV[1], ARGV[2], ARGV[3]
local record = redis.call('HGET', JOBS .. shop, id)
if not let_go(incarnation, id) then return 0 end
if record then gone(shop, id, record, true) end
redis.call('HINCRBY', TOTALS, 'acknowledged', 1)
local at = 4
while at <= #ARGV do
  local locks, last = {}, at + 4 + 3 * tonumber(ARGV[at + 4])
  for k = at + 5, last, 3 do locks[#locks + 1] = { ARGV[k], tonumber(ARGV[k + 1]), ARGV[k + 2] } end
  store_locked(ARGV[at], shop, tonumber(ARGV[at + 1]), ARGV[at + 2], ARGV[at + 3], locks)
  at = last + 1
end
return 1
