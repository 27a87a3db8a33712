-- bring: store a page of a shop's jobs that come from another pod, each in its place, and take away what is no more there.
-- ARGV: shop, epoch, mover epoch, jobs (count), then id, place, its time or job, record for each; gone (count), then ids;
--       locks (count), then digest, lock or '' for each; then ids of ended jobs of the outbox.
-- Answers: {'STORED'}; or {'GATE', gate}: the gate is not on hold by this mover, and nothing was changed.
-- Uses: lanes, outbox, rooms, travelling.
-- Keys: alarms, arrived, carried, dead, ended, gate, jobs:{shop}, lane:{queue}:{shop}, locks:{shop}, outside:{queue},
--       schedule, sizes.
-- Guards S4: jobs arrive only behind a gate that their own mover holds, so that none can start here before the shop is
-- here. It can be repeated: what stands as it should is left where it is. Lanes stand outside of the ring, and nobody is
-- woken: that is for the gate, when it opens.

local shop, mover, at, lanes = ARGV[1], tonumber(ARGV[3]), 4, {}
local state, epoch, _, gate_mover = gate_of(shop)
if state ~= 'hold' or gate_mover ~= mover or epoch ~= tonumber(ARGV[2]) then
  return { 'GATE', redis.call('HGET', GATE, shop) or '' }
end

-- The arguments of the next list, whose entries have so many parts each.
local function next_list(parts)
  local count = tonumber(ARGV[at]) * parts
  local list = { unpack(ARGV, at + 1, at + count) }
  at = at + count + 1
  return list
end

-- The row of the outbox, of another job, that hangs on the job: it goes where the job goes.
local function taken_over(id, record)
  local row = record and row_of(id, record)
  return row ~= id and row or nil
end

local function displace(id, record, place, room)
  if place == 'dead' then
    redis.call('ZREM', DEAD, id)
  elseif place == 'scheduled' then
    redis.call('ZREM', SCHEDULE, id)
  elseif room then
    leave_room(room, id)
  else
    leave_lane(queue_of(record), shop, id)
  end
end

local function put(id, place, time, record)
  if place == 'dead' then
    redis.call('ZADD', DEAD, time, id)
  elseif place == 'scheduled' then
    redis.call('ZADD', SCHEDULE, time, id)
  elseif place == 'after' then
    park('!after:' .. time, shop, id)
  else
    local queue = queue_of(record)
    lanes[queue] = lanes[queue] or {}
    table.insert(lanes[queue], id)
  end
end

local function write(id, before, record)
  local old, new = taken_over(id, before), taken_over(id, record)
  redis.call('HSET', JOBS .. shop, id, record)
  if old then redis.call('HDEL', CARRIED, old) end
  if new then redis.call('HSET', CARRIED, new, id) end
end

local function store(id, place, time, record)
  local before = redis.call('HGET', JOBS .. shop, id)
  local stays = false
  if before then
    local old_place, old_time, room = stand_of(id)
    stays = old_place == place and old_time == time and queue_of(before) == queue_of(record)
    if not stays then displace(id, before, old_place, room) end
  end
  if before ~= record then write(id, before, record) end
  if not stays then put(id, place, time, record) end
  redis.call('ZADD', ARRIVED .. shop, 0, id)
end

local function take_away(id)
  local record = redis.call('ZREM', ARRIVED .. shop, id) == 1 and redis.call('HGET', JOBS .. shop, id)
  if not record then return end
  local place, _, room = stand_of(id)
  displace(id, record, place, room)
  redis.call('HDEL', JOBS .. shop, id)
  if taken_over(id, record) then redis.call('HDEL', CARRIED, taken_over(id, record)) end
end

local jobs = next_list(4)
for k = 1, #jobs, 4 do store(unpack(jobs, k, k + 3)) end
for queue, ids in pairs(lanes) do
  if redis.call('RPUSH', LANE .. queue .. ':' .. shop, unpack(ids)) == #ids then redis.call('SADD', OUTSIDE .. queue, shop) end
  redis.call('HINCRBY', SIZES, queue, #ids)
end

for _, id in ipairs(next_list(1)) do take_away(id) end

local locks = next_list(2)
for k = 1, #locks, 2 do
  local digest, lock = locks[k], locks[k + 1]
  if lock == '' then redis.call('HDEL', LOCKS .. shop, digest) else redis.call('HSET', LOCKS .. shop, digest, lock) end
  local till = string.match(lock, ' (%d+)$')
  if till and till ~= '0' then redis.call('ZADD', ALARMS, till, 'lock:' .. shop .. ':' .. digest) end
end
for k = at, #ARGV do redis.call('SADD', ENDED, ARGV[k]) end
return { 'STORED' }
