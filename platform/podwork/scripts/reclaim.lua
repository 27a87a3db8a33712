-- reclaim: take what one incarnation with an expired lease held, and give it back to the lanes.
-- ARGV: poison (reclaims that bury a job), window (ms in which they count), most, age (ms) of the dead set
-- Answers: {} when no lease has expired; otherwise {incarnation, id, 'queued'|'buried', ...}.
-- Keys: processes, process|held:{incarnation}, jobs:{shop}, lane:{queue}:{shop}, ring:{queue}, sizes,
--       wake:{queue}, dead, totals.
-- Guards J1 (nothing held by the dead is lost) and J5: from here on every script refuses the incarnation,
-- because it is no longer in `processes` and holds nothing.

local poison, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = now_ms()
local incarnation = redis.call('ZRANGEBYSCORE', PROCESSES, '-inf', now, 'LIMIT', 0, 1)[1]
if not incarnation then return {} end

local held, answer = redis.call('HKEYS', HELD .. incarnation), { incarnation }
table.sort(held)
for k = #held, 1, -1 do -- backwards: each goes in front of the one that follows it
  local id, shop = held[k], shop_of(held[k])
  local record = redis.call('HGET', JOBS .. shop, id)
  if record then
    local queue, due, attempts, interruptions, reclaims, since, payload, error = parts_of(record)
    reclaims, since = tonumber(reclaims), tonumber(since)
    if now - since > window then reclaims, since = 0, now end
    -- The first time anything held is under suspicion; after that only what was really started (start.lua),
    -- so that jobs which merely waited in dying processes are never buried.
    if reclaims == 0 or redis.call('HGET', HELD .. incarnation, id) == 'started' then reclaims = reclaims + 1 end
    local fate = 'queued'
    if reclaims >= poison then
      fate, error = 'buried', 'poison pill: ' .. reclaims .. ' processes died running it'
    end
    record = string.format('%s %s %s %s %d %.0f %s', queue, due, attempts, interruptions, reclaims, since, payload)
    if error ~= '' then record = record .. '\n' .. error end
    if fate == 'buried' then
      bury(shop, id, record, tonumber(ARGV[3]), tonumber(ARGV[4]))
    else
      redis.call('HSET', JOBS .. shop, id, record)
      enter(queue, shop, { id }, true)
    end
    redis.call('HINCRBY', TOTALS, 'reclaimed', 1)
    answer[#answer + 1], answer[#answer + 2] = id, fate
  end
end
redis.call('ZREM', PROCESSES, incarnation)
redis.call('DEL', PROCESS .. incarnation, HELD .. incarnation)
return answer
