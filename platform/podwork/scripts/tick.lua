-- tick: turn the slots of a schedule into jobs of the pod, and write down that somebody has looked.
-- ARGV: schedule, turn in which it was read, what is kept of it from now on, run's begin and end (ms; 0 0: none), most
--       runs, queue, locks (count), then digest, period, conflict for each lock, then for each slot: slot (ms),
--       due (ms, 0: now), id, record
-- Answers: the ids of the jobs that stand for the slots (of a unique job, that of the one that was there before); false:
--          the schedule has changed since it was read, and nothing was done.
-- Uses: storing.
-- Keys: schedules, ticks.
-- Guards that a slot makes one job: the turn lets one look of several through, a slot in a run that has ticked is
-- passed by, and one whose job is still here keeps that (storing.lua). No clock is asked.

local schedule, run_begin, run_end, queue = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[7]
local known = redis.call('HGET', SCHEDULES, schedule)
if not known or string.match(known, '^(%d+) ') ~= ARGV[2] then return false end

local ticks, locks, last, made = TICKS .. schedule, {}, 8 + 3 * tonumber(ARGV[8]), {}
for k = 9, last, 3 do locks[#locks + 1] = { ARGV[k], tonumber(ARGV[k + 1]), ARGV[k + 2] } end

-- Runs do not meet, so the first that ends at or after a slot is the only one that can hold it.
local function has_ticked(slot)
  local begin = redis.call('ZRANGEBYSCORE', ticks, slot, '+inf', 'LIMIT', 0, 1)[1]
  return begin and tonumber(begin) <= tonumber(slot)
end

for k = last + 1, #ARGV, 4 do
  local slot, due, id, record = ARGV[k], tonumber(ARGV[k + 1]), ARGV[k + 2], ARGV[k + 3]
  if not has_ticked(slot) then
    made[#made + 1] = store_locked(queue, 'pod', due, id, record, locks)[2]
  end
end

-- Add the run, and unite it with those that it touches.
if run_end > 0 then
  while true do
    local met = redis.call('ZRANGEBYSCORE', ticks, run_begin - 1, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if not met[1] or tonumber(met[1]) > run_end + 1 then break end
    run_begin, run_end = math.min(run_begin, tonumber(met[1])), math.max(run_end, tonumber(met[2]))
    redis.call('ZREM', ticks, met[1])
  end
  redis.call('ZADD', ticks, run_end, string.format('%.0f', run_begin))
  redis.call('ZREMRANGEBYRANK', ticks, 0, -tonumber(ARGV[6]) - 1)
end
redis.call('HSET', SCHEDULES, schedule, ARGV[3])
return made
