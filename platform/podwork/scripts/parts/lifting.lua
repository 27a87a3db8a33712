-- lifting: what a hold stopped goes on.
-- Keys: alarms, holds, idle, idle:{queue}, lane:{queue}:{shop}, outside:{queue}, processes, ring:{queue},
--       sizes.

-- Let the shop's lanes of these queues stand in the ring again; the next claim asks whether they may.
local function bring_in(shop, queue)
  for _, name in ipairs(queue == '*' and redis.call('HKEYS', SIZES) or { queue }) do
    if redis.call('SREM', OUTSIDE .. name, shop) == 1 and redis.call('EXISTS', LANE .. name .. ':' .. shop) == 1 then
      redis.call('RPUSH', RING .. name, shop)
      wake(name)
    end
  end
end

-- A hold that stopped single jobs has a room; it is emptied in portions, by the alarm.
local function lift(name)
  local _, queue, class, shop = string.match(redis.call('HGET', HOLDS, name) or '', '^(%d+) (%S+) (%S+) (%S+)')
  if not queue then return false end
  redis.call('HDEL', HOLDS, name)
  redis.call('ZREM', ALARMS, 'hold:' .. name)
  if class ~= '*' then
    redis.call('ZADD', ALARMS, 0, 'room:!hold:' .. name)
  elseif shop ~= '*' then
    bring_in(shop, queue)
  else
    for _, each in ipairs(queue == '*' and redis.call('HKEYS', SIZES) or { queue }) do wake(each) end
  end
  return true
end
