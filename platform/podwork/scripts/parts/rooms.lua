-- rooms: where a job waits for something else than its turn; a queue that nobody serves.
-- Keys: idle, idle:{queue}, jobs:{shop}, lane:{queue}:{shop}, parked, processes, ring:{queue}, rooms, sizes.
-- An id may stay behind in a room's lane when its job was cancelled or fetched: `parked` has the truth.

local function park(room, shop, id)
  if redis.call('RPUSH', LANE .. room .. ':' .. shop, id) == 1 then redis.call('RPUSH', RING .. room, shop) end
  redis.call('HINCRBY', ROOMS, room, 1)
  redis.call('HSET', PARKED, id, room)
end

local function leave_room(room, id)
  redis.call('HDEL', PARKED, id)
  if redis.call('HINCRBY', ROOMS, room, -1) <= 0 then redis.call('HDEL', ROOMS, room) end
end

-- Take the next job out of a room, shop by shop in turn: its id, shop and record, or nil.
local function next_of(room)
  while true do
    local shop = redis.call('LPOP', RING .. room)
    if not shop then return nil end
    local lane = LANE .. room .. ':' .. shop
    local id = redis.call('LPOP', lane)
    if redis.call('EXISTS', lane) == 1 then redis.call('RPUSH', RING .. room, shop) end
    if id and redis.call('HGET', PARKED, id) == room then
      leave_room(room, id)
      local record = redis.call('HGET', JOBS .. shop, id)
      if record then return id, shop, record end
    end
  end
end

-- Move up to `most` jobs out of a room to the heads of their lanes, in the order in which they came: the
-- last come first, each in front of the one before. Answers how many moved.
local function empty(room, most)
  local moved = 0
  while moved < most do
    local shop = redis.call('LINDEX', RING .. room, 0)
    if not shop then break end
    local lane = LANE .. room .. ':' .. shop
    for _, id in ipairs(redis.call('RPOP', lane, most - moved) or {}) do
      if redis.call('HGET', PARKED, id) == room then
        leave_room(room, id)
        local record = redis.call('HGET', JOBS .. shop, id)
        if record then
          enter(queue_of(record), shop, { id }, true)
          moved = moved + 1
        end
      end
    end
    if redis.call('EXISTS', lane) == 0 then redis.call('LPOP', RING .. room) end
  end
  return moved
end
