-- Put in front of every script: the names of keys.py and the three moves that several scripts share.
-- Redis runs a script as one step, so what is inside one script cannot be seen half done.

local JOBS, LANE, RING = 'podwork:jobs:', 'podwork:lane:', 'podwork:ring:'
local OUTSIDE, WAKE, SIZES = 'podwork:outside:', 'podwork:wake:', 'podwork:sizes'
local SCHEDULE, DEAD, GATE, TOTALS = 'podwork:schedule', 'podwork:dead', 'podwork:gate', 'podwork:totals'
local PARKED, PROCESSES = 'podwork:parked', 'podwork:processes'
local PARKED_CLASS, PROCESS, HELD = 'podwork:parked:', 'podwork:process:', 'podwork:held:'

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The gate's answer for a shop: state ('open', 'hold', 'moved'), epoch, pod.
local function gate_of(shop)
  local gate = redis.call('HGET', GATE, shop)
  if not gate then return 'open', 0, 0 end
  local state, epoch, pod = string.match(gate, '^(%a+) (%d+) (%d+)$')
  return state, tonumber(epoch), tonumber(pod)
end

-- A lease that is over is written as 0, so that no renewal can bring it back while jobs are being reclaimed.
local function has_lease(incarnation)
  local lease = redis.call('ZSCORE', PROCESSES, incarnation)
  return lease and tonumber(lease) > 0
end

local function shop_of(id)
  return string.match(id, '%-(.+)$')
end

-- Tell one idle worker that the queue may have work. One token is enough: whoever takes it and leaves
-- work behind puts it back (claim.lua).
local function wake(queue)
  if redis.call('LLEN', WAKE .. queue) == 0 then redis.call('RPUSH', WAKE .. queue, '1') end
end

-- Put ids into the shop's lane, at its end or (`front`) at its head in the given order. A lane that had
-- nobody enters the ring. Whether the shop's gate is open is the next claim's question: a lane with work is
-- always in exactly one place, the ring or, when a claim found its gate closed, outside.
local function enter(queue, shop, ids, front)
  local lane, length = LANE .. queue .. ':' .. shop, 0
  if front then
    for k = #ids, 1, -1 do length = redis.call('LPUSH', lane, ids[k]) end
  else
    length = redis.call('RPUSH', lane, unpack(ids))
  end
  if length == #ids then redis.call('RPUSH', RING .. queue, shop) end
  redis.call('HINCRBY', SIZES, queue, #ids)
  wake(queue)
end

-- The parts of a record (record.py): queue, due, attempts, interruptions, reclaims, since, payload, error.
local function parts_of(record)
  return string.match(record, '^(%S+) (%d+) (%d+) (%d+) (%d+) (%d+) ([^\n]*)\n?(.*)$')
end

-- Give a held job back to the end of the dead set, and drop the oldest of those over the bounds. By
-- Redis's own clock: a worker's that runs ahead would empty the dead set.
local function bury(shop, id, record, most, age_ms)
  local now = now_ms()
  redis.call('HSET', JOBS .. shop, id, record)
  redis.call('ZADD', DEAD, now, id)
  redis.call('HINCRBY', TOTALS, 'buried', 1)
  local over = redis.call('ZRANGEBYSCORE', DEAD, '-inf', now - age_ms, 'LIMIT', 0, 10)
  if #over == 0 and redis.call('ZCARD', DEAD) > most then over = redis.call('ZRANGE', DEAD, 0, 0) end
  for _, dropped in ipairs(over) do
    redis.call('ZREM', DEAD, dropped)
    redis.call('HDEL', JOBS .. shop_of(dropped), dropped)
    redis.call('HINCRBY', TOTALS, 'dropped', 1)
  end
end
