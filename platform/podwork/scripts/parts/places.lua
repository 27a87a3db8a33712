-- places: where a job stands. A held job is looked for in every process; ask only when it has to be known.
-- Keys: dead, held:{incarnation}, parked, processes, schedule.

local function place_of(id)
  if redis.call('ZSCORE', DEAD, id) then return 'dead' end
  if redis.call('ZSCORE', SCHEDULE, id) then return 'scheduled' end
  local room = redis.call('HGET', PARKED, id)
  if room then return 'parked', room end
  for _, incarnation in ipairs(redis.call('ZRANGE', PROCESSES, 0, -1)) do
    if redis.call('HEXISTS', HELD .. incarnation, id) == 1 then return 'held', incarnation end
  end
  return 'ready'
end
