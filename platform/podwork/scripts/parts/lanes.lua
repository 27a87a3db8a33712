-- lanes: how one job leaves the shop's lane, and how a lane that is no more leaves the queue's order.
-- Keys: lane:{queue}:{shop}, outside:{queue}, ring:{queue}, sizes.

-- A lane without ids stands in no ring: else, when it has some again, it would stand there twice.
local function leave_ring(queue, shop)
  if redis.call('SREM', OUTSIDE .. queue, shop) == 0 then redis.call('LREM', RING .. queue, 1, shop) end
end

local function leave_lane(queue, shop, id)
  local lane = LANE .. queue .. ':' .. shop
  redis.call('LREM', lane, 0, id)
  redis.call('HINCRBY', SIZES, queue, -1)
  if redis.call('EXISTS', lane) == 0 then leave_ring(queue, shop) end
end
