-- counts: how many jobs stand where, all at one instant: a job on its way between two states is in one of them.
-- ARGV: -
-- Answers: {ready, held, scheduled, parked, dead}.
-- Keys: dead, held:{incarnation}, processes, rooms, schedule, sizes.

local ready, held, parked = 0, 0, 0
for _, size in ipairs(redis.call('HVALS', SIZES)) do ready = ready + tonumber(size) end
for _, incarnation in ipairs(redis.call('ZRANGE', PROCESSES, 0, -1)) do
  held = held + redis.call('HLEN', HELD .. incarnation)
end
for _, size in ipairs(redis.call('HVALS', ROOMS)) do parked = parked + tonumber(size) end
return { ready, held, redis.call('ZCARD', SCHEDULE), parked, redis.call('ZCARD', DEAD) }
