-- cancel: end jobs by a person's hand, wherever they stand.
-- ARGV: state they must be in ('' for any), counter of the totals, then ids
-- Answers: for each id 'ended', 'stopping' (it runs: its process is told, and it will not run again), 'missing',
--          'travelling' (its shop is being moved: it was left alone), or the state in which it is instead of the wanted
--          one.
-- Uses: rooms, slots, ending, places, noting.
-- Keys: dead, held:{incarnation}, jobs:{shop}, orders:{incarnation}, schedule, sizes, totals.
-- The id of a ready job stays in its lane, without a record: the claim passes over it (claim.lua).

local function stop(id, incarnation)
  local time, flags, limits = string.match(redis.call('HGET', HELD .. incarnation, id), '^(%d+)|?([%a-]*)|?(.*)$')
  if not string.find(flags, 'C', 1, true) then
    redis.call('HSET', HELD .. incarnation, id, time .. '|' .. flags .. 'C|' .. limits)
    redis.call('RPUSH', ORDERS .. incarnation, 'cancel ' .. id)
  end
  return 'stopping'
end

local function cancel(id, wanted)
  local shop = shop_of(id)
  local record = shop and redis.call('HGET', JOBS .. shop, id)
  if not record then return 'missing' end
  if travels(shop) then return 'travelling' end
  local place, where = place_of(id)
  if wanted ~= '' and place ~= wanted then return place end
  if place == 'held' then return stop(id, where) end
  if place == 'dead' then redis.call('ZREM', DEAD, id) end
  if place == 'scheduled' then redis.call('ZREM', SCHEDULE, id) end
  if place == 'parked' then leave_room(where, id) end
  if place == 'ready' then redis.call('HINCRBY', SIZES, queue_of(record), -1) end
  give_grant(id)
  gone(shop, id, record, false)
  redis.call('HINCRBY', TOTALS, ARGV[2], 1)
  return 'ended'
end

local answer = {}
for k = 3, #ARGV do answer[#answer + 1] = cancel(ARGV[k], ARGV[1]) end
return answer
