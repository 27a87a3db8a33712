-- promote: move what is due from the schedule into the lanes.
-- ARGV: limit
-- Answers: how many left the schedule.
-- Keys: idle, idle:{queue}, jobs:{shop}, lane:{queue}:{shop}, processes, ring:{queue}, schedule, sizes.

local due = redis.call('ZRANGEBYSCORE', SCHEDULE, '-inf', now_ms(), 'LIMIT', 0, tonumber(ARGV[1]))
for _, id in ipairs(due) do
  local shop = shop_of(id)
  local record = redis.call('HGET', JOBS .. shop, id)
  redis.call('ZREM', SCHEDULE, id)
  if record then enter(queue_of(record), shop, { id }) end
end
return #due
