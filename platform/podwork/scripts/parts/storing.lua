-- storing: how a new job comes to stand somewhere, and what locks have to say about it.
-- Uses: rooms, places, outbox, noting.
-- Keys: alarms, idle, idle:{queue}, jobs:{shop}, lane:{queue}:{shop}, locks:{shop}, parked, processes,
--       ring:{queue}, schedule, sizes, totals.

local function store(queue, shop, due, id, record)
  redis.call('HSET', JOBS .. shop, id, record)
  note(shop, id)
  if due > 0 then redis.call('ZADD', SCHEDULE, due, id) else enter(queue, shop, { id }) end
end

-- The job that has the lock, or nil. A lock lives no longer than its job, or than its time.
local function owner_of(shop, digest)
  local owner, till = string.match(redis.call('HGET', LOCKS .. shop, digest) or '', '^(%S+) (%d+)$')
  if not owner then return nil end
  if till == '0' then return redis.call('HEXISTS', JOBS .. shop, owner) == 1 and owner or nil end
  return tonumber(till) > now_ms() and owner or nil
end

-- Give the waiting job the new one's content; it keeps its id, its lock and its place, or comes sooner.
local function replace(shop, owner, place, queue, due, record)
  redis.call('HSET', JOBS .. shop, owner, record)
  note(shop, owner)
  if place ~= 'scheduled' then return end
  redis.call('ZREM', SCHEDULE, owner)
  if due > 0 then redis.call('ZADD', SCHEDULE, due, owner) else enter(queue, shop, { owner }) end
end

-- Another job has the lock. Answers what became of the new one, and the id under which it can be found.
local function yield(shop, owner, conflict, queue, due, id, record)
  local before = redis.call('HGET', JOBS .. shop, owner)
  local place = before and place_of(owner)
  if conflict == 'drop' or not before or place == 'dead' then return { 'kept', owner } end
  if conflict == 'replace' and place ~= 'held' then
    if place == 'ready' and queue_of(before) ~= queue then return { 'kept', owner } end
    replace(shop, owner, place, queue, due, carry(owner, before, id, record))
    return { 'replaced', owner }
  end
  if place ~= 'held' then return { 'kept', owner } end
  -- It runs already, perhaps with what has changed since: once more after it, and only once.
  local after = '!after:' .. owner
  local waiting = redis.call('LINDEX', LANE .. after .. ':' .. shop, 0)
  if waiting and redis.call('HGET', PARKED, waiting) == after then
    if conflict ~= 'replace' then return { 'kept', waiting } end
    replace(shop, waiting, 'parked', queue, due, carry(waiting, redis.call('HGET', JOBS .. shop, waiting), id, record))
    return { 'replaced', waiting }
  end
  redis.call('HSET', JOBS .. shop, id, record)
  note(shop, id)
  park(after, shop, id)
  return { 'after', id }
end

-- Store a job under locks, {digest, period (ms, 0: as long as the job), conflict} each. All or none are taken; a
-- job that was accepted elsewhere before (conflict 'join') is stored in any case, without a lock if another has it.
local function store_locked(queue, shop, due, id, record, locks)
  if redis.call('HEXISTS', JOBS .. shop, id) == 1 then return { 'accepted', id } end -- sent again
  local free = {}
  for _, lock in ipairs(locks) do
    local owner = owner_of(shop, lock[1])
    if owner and lock[3] ~= 'join' then return yield(shop, owner, lock[3], queue, due, id, record) end
    if not owner then free[#free + 1] = lock end
  end
  for _, lock in ipairs(free) do
    local till = lock[2] > 0 and now_ms() + lock[2] or 0
    redis.call('HSET', LOCKS .. shop, lock[1], string.format('%s %.0f', id, till))
    note(shop, 'lock ' .. lock[1])
    if till > 0 then redis.call('ZADD', ALARMS, till, 'lock:' .. shop .. ':' .. lock[1]) end
  end
  store(queue, shop, due, id, record)
  redis.call('HINCRBY', TOTALS, 'accepted', 1)
  return { 'accepted', id }
end
