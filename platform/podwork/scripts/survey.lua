-- survey: how much every queue has, and for how long its oldest job has been due; changes nothing.
-- ARGV: most lanes to look at in a queue, most held jobs to look at in a process
-- Answers: {now (ms), scheduled, parked, dead, then for each queue: its name, ready, held, when the oldest head of a
--          lane was due (ms, 0: there is none) ...}.
-- Keys: dead, held:{incarnation}, jobs:{shop}, lane:{queue}:{shop}, processes, ring:{queue}, rooms, schedule,
--       sizes.

local most_lanes, most_held, held, parked = tonumber(ARGV[1]), tonumber(ARGV[2]), {}, 0

local function due_of(id)
  local record = id and redis.call('HGET', JOBS .. shop_of(id), id)
  return record and tonumber(string.match(record, '^%S+ %S+ (%d+) '))
end

local function oldest(queue)
  local first = 0
  for _, shop in ipairs(redis.call('LRANGE', RING .. queue, 0, most_lanes - 1)) do
    local due = due_of(redis.call('LINDEX', LANE .. queue .. ':' .. shop, 0))
    if due and (first == 0 or due < first) then first = due end
  end
  return first
end

for _, incarnation in ipairs(redis.call('ZRANGE', PROCESSES, 0, -1)) do
  for k, id in ipairs(redis.call('HKEYS', HELD .. incarnation)) do
    if k > most_held then break end
    local record = redis.call('HGET', JOBS .. shop_of(id), id)
    if record then held[queue_of(record)] = (held[queue_of(record)] or 0) + 1 end
  end
end
for _, size in ipairs(redis.call('HVALS', ROOMS)) do parked = parked + tonumber(size) end

local answer = { now_ms(), redis.call('ZCARD', SCHEDULE), parked, redis.call('ZCARD', DEAD) }
local sizes = redis.call('HGETALL', SIZES)
for k = 1, #sizes, 2 do
  local queue, ready = sizes[k], tonumber(sizes[k + 1])
  local part = { queue, ready, held[queue] or 0, ready > 0 and oldest(queue) or 0 }
  for _, value in ipairs(part) do answer[#answer + 1] = value end
end
return answer
