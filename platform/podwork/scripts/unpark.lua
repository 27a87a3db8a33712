-- unpark: queue again what was parked for lack of a worker that knows its class.
-- ARGV: limit, then the classes that the calling process knows
-- Answers: how many jobs entered their lanes.
-- Keys: parked, parked:{class}, jobs:{shop} (read), lane:{queue}:{shop}, ring:{queue}, sizes, wake:{queue}.

local limit, moved = tonumber(ARGV[1]), 0
for k = 2, #ARGV do
  local class = ARGV[k]
  if moved < limit and redis.call('SISMEMBER', PARKED, class) == 1 then
    local popped = redis.call('ZPOPMIN', PARKED_CLASS .. class, limit - moved)
    for i = 1, #popped, 2 do
      local id, shop = popped[i], shop_of(popped[i])
      local record = redis.call('HGET', JOBS .. shop, id)
      if record then
        enter(parts_of(record), shop, { id })
        moved = moved + 1
      end
    end
    if redis.call('EXISTS', PARKED_CLASS .. class) == 0 then redis.call('SREM', PARKED, class) end
  end
end
return moved
