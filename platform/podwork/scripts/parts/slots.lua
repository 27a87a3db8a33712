-- slots: what a limit has left, and who is next when something comes free. A limit `each shop` has one key a
-- shop, `{name} {shop}`. A slot is an id in `passes`. A job that is under several limits takes their slots in one
-- order, the narrowest limit first (policies.lua), and keeps what it has while it waits for the next: as all jobs
-- go by the same order, no two wait for each other; and what it keeps is missed only by those who wait behind it
-- anyway. `granted` names what a job has that is not claimed yet; a rate's token is a slot until then.
-- Uses: rooms.
-- Keys: alarms, bucket:{limit}, granted, idle, idle:{queue}, lane:{queue}:{shop}, limits, outside:{queue},
--       passes:{limit}, processes, ring:{queue}, rooms, sizes.

local MOST_ADMITTED = 200

-- A limit's text (podwork.limits): kind amount period(ms) burst queue class shop source.
local function read_limit(name, text)
  local kind, amount, period, burst, queue, class, shop = string.match(text, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)')
  return { name = name, kind = kind, amount = tonumber(amount), period = tonumber(period), burst = tonumber(burst),
           queue = queue, class = class, shop = shop }
end

local function limit_of(key)
  local name = string.match(key, '^(%S+)')
  local text = redis.call('HGET', LIMITS, name)
  return text and read_limit(name, text)
end

-- What a rate has left now, and since when that counts.
local function rate_left(limit, key, now)
  local left, since = string.match(redis.call('GET', BUCKET .. key) or '', '^(%S+) (%S+)$')
  left, since = tonumber(left), tonumber(since)
  if limit.kind == 'bucket' then
    if not left then return limit.burst, now end
    return math.min(limit.burst, left + math.max(0, now - since) * limit.amount / limit.period), now
  end
  if not left or now >= since + limit.period or now < since then return limit.amount, now end
  return left, since
end

-- Whether one more may start, and if not, when (ms; nil when a slot comes free by somebody's end).
local function is_free(limit, key, now)
  if limit.kind == 'concurrency' then return redis.call('SCARD', PASSES .. key) < limit.amount end
  local left, since = rate_left(limit, key, now)
  if left >= 1 then return true end
  if limit.kind == 'bucket' then return false, now + math.ceil((1 - left) * limit.period / limit.amount) end
  return false, since + limit.period
end

local function spend(limit, key, now)
  local left, since = rate_left(limit, key, now)
  local full_ms = limit.kind == 'bucket' and limit.burst * limit.period / limit.amount or limit.period
  redis.call('SET', BUCKET .. key, string.format('%.6f %.0f', left - 1, since), 'PX', math.max(1, math.ceil(full_ms)))
end

local function grant(key, id)
  redis.call('SADD', PASSES .. key, id)
  local before = redis.call('HGET', GRANTED, id)
  redis.call('HSET', GRANTED, id, before and before .. '|' .. key or key)
end

-- Let in those of the limit's room for whom there is a slot now, to the heads of their lanes; for the others the
-- alarm is set.
local function admit(key)
  local room, limit, now, let_in = '!limit:' .. key, limit_of(key), now_ms(), {}
  while redis.call('HEXISTS', ROOMS, room) == 1 do
    local free, when = true, now
    if limit then free, when = is_free(limit, key, now) end
    if not free or #let_in == MOST_ADMITTED then
      if when or free then redis.call('ZADD', ALARMS, when or now, 'limit:' .. key) end
      break
    end
    local id, shop, record = next_of(room)
    if not id then break end
    local queue = queue_of(record)
    -- A slot for a lane that stands outside would be kept from the others: the job only goes back to its lane.
    if limit and redis.call('SISMEMBER', OUTSIDE .. queue, shop) == 0 then
      if limit.kind ~= 'concurrency' then spend(limit, key, now) end
      grant(key, id)
    end
    let_in[#let_in + 1] = { queue, shop, id }
  end
  for k = #let_in, 1, -1 do enter(let_in[k][1], let_in[k][2], { let_in[k][3] }, true) end
end

local function give_slot(key, id)
  if redis.call('SREM', PASSES .. key, id) == 1 then admit(key) end
end

-- Take back all that was granted to a job that will not be claimed now.
local function give_grant(id)
  local keys = redis.call('HGET', GRANTED, id)
  if not keys then return end
  redis.call('HDEL', GRANTED, id)
  for key in string.gmatch(keys, '[^|]+') do give_slot(key, id) end
end
