-- reclaim: take what one incarnation with an expired lease held, and give it back to the lanes.
-- ARGV: poison (reclaims that bury a job), window (ms in which they count), most, age (ms) of the dead set
-- Answers: {} when no lease has expired; otherwise {incarnation, id, 'queued'|'buried'|'cancelled', ...}.
-- Uses: ending, judging.
-- Keys: held:{incarnation}, idle, idle:{queue}, jobs:{shop}, lane:{queue}:{shop}, leader, orders:{incarnation},
--       process:{incarnation}, processes, ring:{queue}, sizes, totals.
-- Guards J1 (nothing held by the dead is lost), J2 (what may start only once and has started does not start again)
-- and J5: from here on every script refuses the incarnation, because it is no longer in `processes` and holds nothing.

local poison, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local incarnation = redis.call('ZRANGEBYSCORE', PROCESSES, '-inf', now_ms(), 'LIMIT', 0, 1)[1]
if not incarnation then return {} end

unlist(incarnation)
local held, answer = redis.call('HKEYS', HELD .. incarnation), { incarnation }
table.sort(held)
for k = #held, 1, -1 do -- backwards: each goes in front of the one that follows it
  local id, shop = held[k], shop_of(held[k])
  local record = redis.call('HGET', JOBS .. shop, id)
  local hold = let_go(incarnation, id)
  if record then
    local fate
    if ended_by_cancel(shop, id, hold) then
      fate = 'cancelled'
    else
      fate, record = judge(record, hold, false, '', poison, window)
      if fate == 'buried' then
        bury(shop, id, record, tonumber(ARGV[3]), tonumber(ARGV[4]))
      else
        redis.call('HSET', JOBS .. shop, id, record)
        enter(queue_of(record), shop, { id }, true)
      end
    end
    redis.call('HINCRBY', TOTALS, 'reclaimed', 1)
    answer[#answer + 1], answer[#answer + 2] = id, fate
  end
end
-- It may have been told of work, and died before it claimed or told the next.
for _, queue in ipairs(redis.call('HKEYS', SIZES)) do
  if redis.call('EXISTS', RING .. queue) == 1 then wake(queue) end
end
redis.call('ZREM', PROCESSES, incarnation)
redis.call('DEL', PROCESS .. incarnation, HELD .. incarnation, ORDERS .. incarnation)
if redis.call('GET', LEADER) == incarnation then redis.call('DEL', LEADER) end
return answer
