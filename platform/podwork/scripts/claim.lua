-- claim: take up to `want` jobs under the process's lease, queue by queue in the given order.
-- ARGV: incarnation, want, queue ...
-- Answers: false when the incarnation has no lease (any more); otherwise {shop, id, record, ...}.
-- Uses: rooms, slots, policies.
-- Keys: gate, granted, held:{incarnation}, holds, jobs:{shop}, lane:{queue}:{shop}, limits, outside:{queue},
--       processes, ring:{queue}, sizes, totals, wake:{queue}, weights.
-- Guards J3 (a lane whose gate is not open leaves the ring), J4 (each shop of the ring has its turn: `want`
-- is shared among the shops that stand in the ring, by their weights), J5 (no lease, no claim). A job that a hold
-- or a limit stops is parked here, once, and costs no later claim anything.

local incarnation, want = ARGV[1], tonumber(ARGV[2])
if not has_lease(incarnation) then return false end

local MOST_PARKED = 1000
local out, held, got, parked, now = {}, {}, 0, 0, now_ms()
local holds, limits, weighted, gated, freed = nil, nil, false, false, {}
if redis.call('EXISTS', HOLDS, LIMITS, WEIGHTS, GATE) > 0 then
  holds, limits = read_holds(now), read_limits()
  weighted, gated = redis.call('EXISTS', WEIGHTS) == 1, redis.call('EXISTS', GATE) == 1
  if holds.all then return out end
  if #holds.jobs + #limits == 0 then limits = nil end
end
local claimed = string.format('%.0f', now)

-- What the process will hold of a job: the time, and what matters at its end.
local function hold_of(record, slots)
  local tracked = string.byte(record) ~= 45 and string.find(string.match(record, '^%S+') or '', '[uwso]:')
  if not tracked and (not slots or slots == '') then return claimed end
  return claimed .. '|' .. (tracked and 'T' or '-') .. '|' .. (slots or '')
end

local function take(queue, shop, quota)
  local lane = LANE .. queue .. ':' .. shop
  local ids = redis.call('LPOP', lane, quota)
  if not ids then return 0, false end
  local records, taken, gone_by = redis.call('HMGET', JOBS .. shop, unpack(ids)), 0, 0
  for k, id in ipairs(ids) do
    local record, room, slots = records[k], nil, nil
    if record then -- a cancelled job left its id behind
      if limits then room, slots = room_of(queue, shop, id, record, holds, limits, now, freed) end
      if room then
        park(room, shop, id)
        gone_by = gone_by + 1
      else
        taken = taken + 1
        held[#held + 1], held[#held + 2] = id, hold_of(record, slots)
        out[#out + 1], out[#out + 2], out[#out + 3] = shop, id, record
      end
    end
  end
  if gone_by > 0 then
    redis.call('HINCRBY', SIZES, queue, -gone_by)
    parked = parked + gone_by
  end
  return taken, #ids == quota and redis.call('EXISTS', lane) == 1
end

local function is_held(queue, shop)
  for _, hold in ipairs(holds.lanes) do
    if hold.shop == shop and (hold.queue == '*' or hold.queue == queue) then return true end
  end
  return false
end

-- The lane leaves the ring. Slots that were granted to its first jobs go to others meanwhile.
local function put_outside(queue, shop)
  redis.call('SADD', OUTSIDE .. queue, shop)
  if redis.call('EXISTS', GRANTED) == 0 then return end
  for _, id in ipairs(redis.call('LRANGE', LANE .. queue .. ':' .. shop, 0, 9)) do freed[#freed + 1] = id end
end

for q = 3, #ARGV do
  local queue, before = ARGV[q], got
  local ring = RING .. queue
  while got < want and parked < MOST_PARKED and not (holds and holds.queues[queue]) do
    local shops = redis.call('LPOP', ring, want - got)
    if not shops then break end
    local gates, back, ahead = gated and redis.call('HMGET', GATE, unpack(shops)) or {}, {}, #shops
    local weights = weighted and redis.call('HMGET', WEIGHTS, unpack(shops)) or {}
    for _, weight in ipairs(weights) do ahead = ahead + (tonumber(weight) or 1) - 1 end
    for k, shop in ipairs(shops) do
      local weight = tonumber(weights[k]) or 1
      if gates[k] and string.sub(gates[k], 1, 5) ~= 'open ' or holds and is_held(queue, shop) then
        put_outside(queue, shop)
      elseif got >= want then -- heavier shops took their turns: the others keep their places
        redis.call('LPUSH', ring, unpack(shops, k))
        break
      else
        local quota = math.min(want - got, math.max(weight, math.floor((want - got) * weight / ahead)))
        local taken, more = take(queue, shop, quota)
        got = got + taken
        if more then back[#back + 1] = shop end
      end
      ahead = ahead - weight
    end
    -- The last of them was given what the division left over: another one stands last the next time.
    if #back > 1 then table.insert(back, (table.remove(back, 1))) end
    if #back > 0 then redis.call('RPUSH', ring, unpack(back)) end
  end
  if got > before then
    redis.call('HINCRBY', SIZES, queue, before - got)
    redis.call('HINCRBY', TOTALS, 'claimed:' .. queue, got - before)
  end
  if got >= want or parked >= MOST_PARKED then
    if redis.call('EXISTS', ring) == 1 then wake(queue) end
    break
  end
end

if #held > 0 then redis.call('HSET', HELD .. incarnation, unpack(held)) end
for _, id in ipairs(freed) do give_grant(id) end
return out
