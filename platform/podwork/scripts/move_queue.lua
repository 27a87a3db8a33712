-- move_queue: let jobs wait in another queue.
-- ARGV: the other queue, then ids
-- Answers: for each id 'moved', 'missing', or 'held' (it runs, and was left alone), 'travelling' (its shop is being moved:
--          likewise).
-- Uses: slots, places, lanes, noting.
-- Keys: idle, idle:{queue}, jobs:{shop}, lane:{queue}:{shop}, processes, ring:{queue}, sizes.
-- Guards that an id stands in one lane only: a claim that met it in its old one would run it out of turn. Finding it
-- there costs what the shop's own lane costs.

local queue = ARGV[1]

local function move(id)
  local shop = shop_of(id)
  local record = shop and redis.call('HGET', JOBS .. shop, id)
  if not record then return 'missing' end
  if travels(shop) then return 'travelling' end
  local place, before = place_of(id), queue_of(record)
  if place == 'held' then return 'held' end
  if before == queue then return 'moved' end
  redis.call('HSET', JOBS .. shop, id, (string.gsub(record, '^(%S+) %S+', function(extras) return extras .. ' ' .. queue end)))
  if place ~= 'ready' then return 'moved' end
  give_grant(id)
  leave_lane(before, shop, id)
  enter(queue, shop, { id })
  return 'moved'
end

local answer = {}
for k = 2, #ARGV do answer[#answer + 1] = move(ARGV[k]) end
return answer
