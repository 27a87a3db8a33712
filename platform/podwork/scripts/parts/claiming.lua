-- claiming: take jobs for a process, queue by queue in the given order.
-- Uses: rooms, slots, policies.
-- Keys: gate, granted, held:{incarnation}, holds, jobs:{shop}, lane:{queue}:{shop}, limits, outside:{queue},
--       ring:{queue}, sizes, totals, weights.
-- Guards J3 (a lane whose gate is not open leaves the ring), J4 (each shop of the ring has its turn: what is wanted
-- is shared among the shops that stand in the ring, by their weights; who wants many takes two of a shop). A job that
-- a hold or a limit stops is parked here, once, and costs no later claim anything.

local MOST_PARKED = 1000
local TAKES_TWO = 16

-- What one claim knows and gathers. `out`: shop, id, record of each job; `held`: id and hold of each; `freed`: ids
-- whose slots go to others when the rings are in order; `holds`, `limits`: nil when there are none.
local function begin_claim(want)
  local now = now_ms()
  local claim = { want = want, got = 0, parked = 0, now = now, text = string.format('%.0f', now),
                  out = {}, held = {}, freed = {} }
  if redis.call('EXISTS', HOLDS, LIMITS, WEIGHTS, GATE) > 0 then
    claim.holds, claim.limits = read_holds(now), read_limits()
    claim.weighted, claim.gated = redis.call('EXISTS', WEIGHTS) == 1, redis.call('EXISTS', GATE) == 1
    if #claim.holds.jobs + #claim.limits == 0 then claim.limits = nil end
  end
  return claim
end

-- What the process will hold of a job: the time, and what matters at its end.
local function hold_of(claim, record, slots)
  local tracked = string.byte(record) ~= 45 and string.find(string.match(record, '^%S+') or '', '[uwsop]:')
  if not tracked and (not slots or slots == '') then return claim.text end
  return claim.text .. '|' .. (tracked and 'T' or '-') .. '|' .. (slots or '')
end

-- Take up to `quota` jobs out of a lane. Answers how many, and whether the lane has more.
local function take(claim, queue, shop, quota)
  local lane = LANE .. queue .. ':' .. shop
  local ids = redis.call('LPOP', lane, quota)
  if not ids then return 0, false end
  local out, held, limits = claim.out, claim.held, claim.limits
  local records, taken, gone_by = redis.call('HMGET', JOBS .. shop, unpack(ids)), 0, 0
  for k, id in ipairs(ids) do
    local record, room, slots = records[k], nil, nil
    if record then -- a cancelled job left its id behind
      if limits then room, slots = room_of(queue, shop, id, record, claim.holds, limits, claim.now, claim.freed) end
      if room then
        park(room, shop, id)
        gone_by = gone_by + 1
      else
        taken = taken + 1
        held[#held + 1], held[#held + 2] = id, hold_of(claim, record, slots)
        out[#out + 1], out[#out + 2], out[#out + 3] = shop, id, record
      end
    end
  end
  if gone_by > 0 then
    redis.call('HINCRBY', SIZES, queue, -gone_by)
    claim.parked = claim.parked + gone_by
  end
  return taken, #ids == quota and redis.call('EXISTS', lane) == 1
end

local function is_held(holds, queue, shop)
  for _, hold in ipairs(holds.lanes) do
    if hold.shop == shop and (hold.queue == '*' or hold.queue == queue) then return true end
  end
  return false
end

-- The lane leaves the ring. Slots that were granted to its first jobs go to others meanwhile.
local function put_outside(claim, queue, shop)
  redis.call('SADD', OUTSIDE .. queue, shop)
  if redis.call('EXISTS', GRANTED) == 0 then return end
  for _, id in ipairs(redis.call('LRANGE', LANE .. queue .. ':' .. shop, 0, 9)) do claim.freed[#claim.freed + 1] = id end
end

-- Give the first shops of the ring their turns. False: the ring is empty.
local function turn_ring(claim, queue)
  local ring, want, holds = RING .. queue, claim.want, claim.holds
  local asked = want - claim.got
  -- Who takes many short jobs takes two of a shop in its turn: a look at half as many shops, each of which is cold.
  local shops = redis.call('LPOP', ring, asked < TAKES_TWO and asked or math.ceil(asked / 2))
  if not shops then return false end
  local gates, back, ahead = claim.gated and redis.call('HMGET', GATE, unpack(shops)) or {}, {}, #shops
  local weights = claim.weighted and redis.call('HMGET', WEIGHTS, unpack(shops)) or {}
  for _, weight in ipairs(weights) do ahead = ahead + (tonumber(weight) or 1) - 1 end
  for k, shop in ipairs(shops) do
    local weight, open = tonumber(weights[k]) or 1, want - claim.got
    if gates[k] and string.sub(gates[k], 1, 5) ~= 'open ' or holds and is_held(holds, queue, shop) then
      put_outside(claim, queue, shop)
    elseif open <= 0 then -- heavier shops took their turns: the others keep their places
      redis.call('LPUSH', ring, unpack(shops, k))
      break
    else
      local quota = math.min(open, math.max(weight, math.floor(open * weight / ahead)))
      local taken, more = take(claim, queue, shop, quota)
      claim.got = claim.got + taken
      if more then back[#back + 1] = shop end
    end
    ahead = ahead - weight
  end
  -- The last of them was given what the division left over: another one stands last the next time.
  if #back > 1 then table.insert(back, (table.remove(back, 1))) end
  if #back > 0 then redis.call('RPUSH', ring, unpack(back)) end
  return true
end

-- Take up to `want` jobs. Answers {shop, id, record, ...}, their number, the queue that surely has more, and whether
-- slots were given to others, whose jobs may now stand in any queue.
local function claim_jobs(incarnation, want, queues)
  local claim, left = begin_claim(want), nil
  local holds = claim.holds
  if holds and holds.all then return {}, 0, nil, false end
  for _, queue in ipairs(queues) do
    local before, goes_on = claim.got, not (holds and holds.queues[queue])
    while goes_on and claim.got < want and claim.parked < MOST_PARKED do goes_on = turn_ring(claim, queue) end
    if claim.got > before then
      redis.call('HINCRBY', SIZES, queue, before - claim.got)
      redis.call('HINCRBY', TOTALS, 'claimed:' .. queue, claim.got - before)
    end
    if claim.got >= want or claim.parked >= MOST_PARKED then
      if redis.call('EXISTS', RING .. queue) == 1 then left = queue end
      break
    end
  end
  if #claim.held > 0 then redis.call('HSET', HELD .. incarnation, unpack(claim.held)) end
  for _, id in ipairs(claim.freed) do give_grant(id) end
  return claim.out, claim.got, left, #claim.freed > 0
end
