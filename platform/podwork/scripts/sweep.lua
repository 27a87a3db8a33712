-- sweep: forget some of the jobs that a shop has left behind (leave.lua): those that are marked as being on the other
-- pod. Those that are not are told, and forgotten when they are named: then they were pushed there.
-- ARGV: shop, mover epoch, which marks ('brought', 'arrived'), cursor, count, then ids that are there by now
-- Answers: {'SWEEPING'}: call it again; {'SWEPT', next cursor (0: once through), how many are left, {id, place, its time,
--          record, ...}}; or {'GATE', gate}: the gate is not moved by this mover, and nothing was changed.
-- Uses: outbox, rooms, slots, travelling.
-- Keys: arrived, aside, brought, carried, dead, lane:{queue}:{shop}, parked, ring:{queue}, schedule,
--       since, sizes.
-- Guards S4: only jobs that are marked are dropped, and only behind a gate that the mover itself has moved.

local shop, mover, aside = ARGV[1], tonumber(ARGV[2]), ASIDE .. ARGV[1]
local marks, count = (ARGV[3] == 'brought' and BROUGHT or ARRIVED) .. shop, tonumber(ARGV[5])
local refusal = not_mine(shop, mover, 'moved')
if refusal then return refusal end

-- Lanes first: how many of a queue's ready jobs they were is known as long as there are records.
for _, queue in ipairs(redis.call('HKEYS', SIZES)) do
  local ids = redis.call('LPOP', LANE .. '!left:' .. queue .. ':' .. shop, count)
  if ids then
    local ready = 0
    for _, record in ipairs(redis.call('HMGET', aside, unpack(ids))) do ready = ready + (record and 1 or 0) end
    redis.call('HINCRBY', SIZES, queue, -ready)
    return { 'SWEEPING' }
  end
end

local function drop(id, record)
  redis.call('ZREM', SCHEDULE, id)
  redis.call('ZREM', DEAD, id)
  local room = redis.call('HGET', PARKED, id)
  if room then
    leave_room(room, id)
    if redis.call('UNLINK', LANE .. room .. ':' .. shop) == 1 then redis.call('LREM', RING .. room, 1, shop) end
  end
  give_grant(id)
  local row = row_of(id, record)
  if row and row ~= id then redis.call('HDEL', CARRIED, row) end
  redis.call('HDEL', aside, id)
  redis.call('ZREM', marks, id)
end

for k = 6, #ARGV do
  local record = redis.call('HGET', aside, ARGV[k])
  if record then drop(ARGV[k], record) end
end
local late, page = {}, redis.call('HSCAN', aside, ARGV[4], 'COUNT', count)
for k = 1, #page[2], 2 do
  local id, record = page[2][k], page[2][k + 1]
  if redis.call('ZSCORE', marks, id) then
    drop(id, record)
  else
    local n, place, time = #late, stand_of(id)
    late[n + 1], late[n + 2], late[n + 3], late[n + 4] = id, place, time, record
  end
end
local remaining = redis.call('HLEN', aside)
if remaining == 0 then redis.call('UNLINK', marks, SINCE .. shop) end
return { 'SWEPT', page[1], remaining, late }
