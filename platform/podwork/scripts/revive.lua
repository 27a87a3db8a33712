-- revive: let dead jobs run again from the start, and scheduled ones now.
-- ARGV: state they must be in ('dead', 'scheduled', or '' for either), then ids
-- Answers: for each id 'queued', 'missing', 'travelling' (its shop is being moved: it was left alone), or the state in
--          which it is instead.
-- Uses: ending, places, noting.
-- Keys: dead, idle, idle:{queue}, jobs:{shop}, lane:{queue}:{shop}, locks:{shop}, processes, ring:{queue},
--       schedule, sizes, totals.
-- A dead job lost its lock; it takes it again if it is free, and runs without it otherwise.

local function lock_again(shop, id, extras)
  local digest = extras.u or extras.w
  if digest and redis.call('HEXISTS', LOCKS .. shop, digest) == 0 then
    redis.call('HSET', LOCKS .. shop, digest, id .. ' 0')
  end
end

local function revive(id, wanted)
  local shop = shop_of(id)
  local record = shop and redis.call('HGET', JOBS .. shop, id)
  if not record then return 'missing' end
  if travels(shop) then return 'travelling' end
  local place = place_of(id)
  if place ~= wanted and (wanted ~= '' or (place ~= 'dead' and place ~= 'scheduled')) then return place end
  if place == 'dead' then
    redis.call('ZREM', DEAD, id)
    local extras, queue, due, _, interruptions, _, _, payload, error = parts_of(record)
    if extras then
      record = string.format('%s %s %s 0 %s 0 0 %s\n%s', extras, queue, due, interruptions, payload, error)
      redis.call('HSET', JOBS .. shop, id, record)
      lock_again(shop, id, extras_of(record))
    end
    redis.call('HINCRBY', TOTALS, 'revived', 1)
  else
    redis.call('ZREM', SCHEDULE, id)
  end
  enter(queue_of(record), shop, { id })
  return 'queued'
end

local answer = {}
for k = 2, #ARGV do answer[#answer + 1] = revive(ARGV[k], ARGV[1]) end
return answer
