-- ending: what happens when a process lets go of a job, and when a job is no more.
-- Uses: rooms, slots, outbox, noting.
-- Keys: dead, held:{incarnation}, idle, idle:{queue}, jobs:{shop}, lane:{queue}:{shop}, locks:{shop},
--       processes, ring:{queue}, sizes, successes, totals.

local function extras_of(record)
  local extras = {}
  for tag, value in string.gmatch(string.match(record, '^(%S+)') or '', '(%l):([^,]+)') do extras[tag] = value end
  return extras
end

local function has_flag(hold, flag)
  return string.find(string.match(hold, '^%d+|([%a-]*)') or '', flag, 1, true) ~= nil
end

-- End the process's hold on a job and free its slots. Answers what the hold said; nil: it is not held (any
-- more), and nothing was changed. Every change of a held job begins here (J5).
local function let_go(incarnation, id)
  local hold = redis.call('HGET', HELD .. incarnation, id)
  if not hold then return nil end
  redis.call('HDEL', HELD .. incarnation, id)
  if #hold > 13 then -- more than the time of the claim
    for key in string.gmatch(string.match(hold, '^%d+|[%a-]*|(.*)$') or '', '[^|]+') do give_slot(key, id) end
  end
  return hold
end

-- Let in the job that waits for this one's end. Answers its id, or nil.
local function follow(shop, id)
  local waiting, _, record = next_of('!after:' .. id)
  if waiting then enter(queue_of(record), shop, { waiting }) end
  return waiting
end

-- Free a lock if the job still has it; who waits for this job's end gets it, and is let in.
local function unlock(shop, digest, id)
  local lock = redis.call('HGET', LOCKS .. shop, digest)
  if lock and string.match(lock, '^(%S+)') == id then redis.call('HDEL', LOCKS .. shop, digest) end
  local waiting = follow(shop, id)
  if waiting then redis.call('HSET', LOCKS .. shop, digest, waiting .. ' 0') end
end

-- A period's lock stays until its time is over, one that was handed on ends with its job; who waits is let in.
local function outlive(shop, digest, id)
  if redis.call('HGET', LOCKS .. shop, digest) == id .. ' 0' then unlock(shop, digest, id) else follow(shop, id) end
end

-- The job is no more: delete its record, and what hung on it.
local function gone(shop, id, record, succeeded)
  redis.call('HDEL', JOBS .. shop, id)
  if string.byte(record) == 45 then return end -- '-': nothing does
  local extras = extras_of(record)
  if extras.s and succeeded then redis.call('HSET', SUCCESSES, extras.s, now_ms()) end
  if extras.o then end_row(row_of(id, record)) end
  local digest = extras.u or extras.w or (not succeeded and extras.p)
  if digest then unlock(shop, digest, id) elseif extras.p then outlive(shop, extras.p, id) end
end

-- The parts of a record (record.py): extras, queue, due, attempts, interruptions, reclaims, since, payload, error.
local function parts_of(record)
  return string.match(record, '^(%S+) (%S+) (%d+) (%d+) (%d+) (%d+) (%d+) ([^\n]*)\n?(.*)$')
end

-- Put a job that nobody holds any more into the dead set, and drop the oldest of those over the bounds. By
-- Redis's own clock: a worker's that runs ahead would empty the dead set. A dead job keeps no lock but a period's.
local function bury(shop, id, record, most, age_ms)
  local now = now_ms()
  redis.call('HSET', JOBS .. shop, id, record)
  redis.call('ZADD', DEAD, now, id)
  redis.call('HINCRBY', TOTALS, 'buried', 1)
  if string.byte(record) ~= 45 then
    local extras = extras_of(record)
    if extras.u or extras.w then
      unlock(shop, extras.u or extras.w, id)
    elseif extras.p then
      outlive(shop, extras.p, id)
    end
  end
  local over = redis.call('ZRANGEBYSCORE', DEAD, '-inf', now - age_ms, 'LIMIT', 0, 10)
  if #over == 0 and redis.call('ZCARD', DEAD) > most then over = redis.call('ZRANGE', DEAD, 0, 0) end
  for _, dropped in ipairs(over) do
    redis.call('ZREM', DEAD, dropped)
    local old = redis.call('HGET', JOBS .. shop_of(dropped), dropped)
    if old then
      gone(shop_of(dropped), dropped, old, false)
      note(shop_of(dropped), dropped)
    end
    redis.call('HINCRBY', TOTALS, 'dropped', 1)
  end
end

-- A job that a person cancelled while it was held ends now, whatever else was to become of it.
local function ended_by_cancel(shop, id, hold)
  if not has_flag(hold, 'C') then return false end
  local record = redis.call('HGET', JOBS .. shop, id)
  if record then gone(shop, id, record, false) end
  redis.call('HINCRBY', TOTALS, 'cancelled', 1)
  return true
end
