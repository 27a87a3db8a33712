-- why: tell all that stands between a job and its start, at one instant; changes nothing.
-- ARGV: id
-- Answers: {now (ms), gate or '', place, processes, holds, limits, {queue, size, ...}}
--          place: false when the job is not here, else {state, process or room or '', what is held of it or its time
--                 or '', record, {index in its lane or -1, index of its shop in the ring or -1, shops in the ring}}
--          processes: {incarnation, end of its lease (ms), jobs held, {field, value, ...}} each
--          holds: {name, text} of those in force that fit the job, and of that whose room it is in
--          limits: {key, text or '', 1 if free, when it will be (ms) or 0, slots taken, jobs in its room, 1 if the
--                  job has a slot already, {ids of some that have slots}} of those that fit, or of its room alone
-- The questions about gate, holds and limits are those of claim.lua, asked with the same functions. Costs what there
-- is of processes, holds and limits, and a look through the first hundred thousand of the job's lane.
-- Uses: slots, places, policies.
-- Keys: dead, gate, held:{incarnation}, holds, jobs:{shop}, lane:{queue}:{shop}, limits, outside:{queue},
--       passes:{limit}, process:{incarnation}, processes, ring:{queue}, rooms, schedule, sizes.

local LOOKED_THROUGH, SOME = 100000, 10
local id, now = ARGV[1], now_ms()
local shop = shop_of(id) or ''
local record = redis.call('HGET', JOBS .. shop, id)

local function processes()
  local all, found = redis.call('ZRANGE', PROCESSES, 0, -1, 'WITHSCORES'), {}
  for k = 1, #all, 2 do
    local held = redis.call('HLEN', HELD .. all[k])
    found[#found + 1] = { all[k], all[k + 1], held, redis.call('HGETALL', PROCESS .. all[k]) }
  end
  return found
end

local function position(queue)
  local ring = RING .. queue
  local index = redis.call('LPOS', LANE .. queue .. ':' .. shop, id, 'MAXLEN', LOOKED_THROUGH)
  local turn = redis.call('LPOS', ring, shop)
  local is_outside = redis.call('SISMEMBER', OUTSIDE .. queue, shop)
  return { index or -1, turn or -1, redis.call('LLEN', ring), is_outside }
end

local function limit_facts(key)
  local limit, free, when = limit_of(key), true, nil
  if limit then free, when = is_free(limit, key, now) end
  return {
    key, limit and redis.call('HGET', LIMITS, limit.name) or '', free and 1 or 0, when or 0,
    redis.call('SCARD', PASSES .. key), tonumber(redis.call('HGET', ROOMS, '!limit:' .. key) or 0),
    redis.call('SISMEMBER', PASSES .. key, id), redis.call('SRANDMEMBER', PASSES .. key, SOME),
  }
end

local function policies(queue, class, room)
  local holds, limits, flat = {}, {}, redis.call('HGETALL', HOLDS)
  for k = 1, #flat, 2 do
    local till, of_queue, of_class, of_shop = string.match(flat[k + 1], '^(%d+) (%S+) (%S+) (%S+)')
    local in_force = till == '0' or tonumber(till) > now
    if in_force and fits({ queue = of_queue, class = of_class, shop = of_shop }, queue, class, shop) then
      holds[#holds + 1] = { flat[k], flat[k + 1] }
    end
  end
  local key = string.match(room, '^!limit:(.*)$')
  if key then return holds, { limit_facts(key) } end
  for _, limit in ipairs(read_limits()) do
    if fits(limit, queue, class, shop) then
      limits[#limits + 1] = limit_facts(limit.shop == 'each' and limit.name .. ' ' .. shop or limit.name)
    end
  end
  return holds, limits
end

local place, holds, limits = false, {}, {}
if record then
  local state, where = place_of(id)
  local queue, room, more = queue_of(record), state == 'parked' and where or '', ''
  if state == 'held' then more = redis.call('HGET', HELD .. where, id) end
  if state == 'dead' then more = redis.call('ZSCORE', DEAD, id) end
  if state == 'scheduled' then more = redis.call('ZSCORE', SCHEDULE, id) end
  place = { state, where or '', more, record, position(room ~= '' and room or queue) }
  holds, limits = policies(queue, string.match(record, '{"class":"([^"]+)"') or '', room)
end
local gate = redis.call('HGET', GATE, shop) or ''
return { now, gate, place, processes(), holds, limits, redis.call('HGETALL', SIZES) }
