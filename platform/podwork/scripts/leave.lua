-- leave: put a shop's jobs out of everybody's reach, as one step, however many there are.
-- ARGV: shop, mover epoch, and '1' to leave also what the other pod does not have (sweep.lua hands it out), or ''
-- Answers: {'LEFT'}; {'LATE'}: some are not there yet; {'HELD', id ...}; {'GATE', gate}: the gate is not moved by this
--          mover. Unless it is 'LEFT', nothing was changed.
-- Uses: lanes, travelling.
-- Keys: alarms, aside, brought, holds, jobs:{shop}, lane:{queue}:{shop}, locks:{shop}, since, sizes, weights.
-- Guards S4: without its record no job is started, promoted or revived here, whatever becomes of the gate. The records
-- are kept aside until each is known to be on the other pod; their ids leave schedule, dead set and rooms then, too.

local shop, mover = ARGV[1], tonumber(ARGV[2])
local refusal = not_mine(shop, mover, 'moved') or still_held(shop)
if refusal then return refusal end
local jobs, aside = JOBS .. shop, ASIDE .. shop
local is_all_brought = redis.call('ZCARD', SINCE .. shop) == 0 and redis.call('HLEN', jobs) == redis.call('ZCARD', BROUGHT .. shop)
if redis.call('EXISTS', jobs) == 1 and not is_all_brought and ARGV[3] ~= '1' then return { 'LATE' } end

local function append(from, to)
  if redis.call('RENAMENX', from, to) == 1 then return end
  for _, id in ipairs(redis.call('LRANGE', from, 0, -1)) do redis.call('RPUSH', to, id) end
  redis.call('UNLINK', from)
end

for _, queue in ipairs(redis.call('HKEYS', SIZES)) do
  local lane = LANE .. queue .. ':' .. shop
  if redis.call('EXISTS', lane) == 1 then
    append(lane, LANE .. '!left:' .. queue .. ':' .. shop)
    leave_ring(queue, shop)
  end
end
if redis.call('EXISTS', aside) == 0 and redis.call('EXISTS', jobs) == 1 then
  redis.call('RENAME', jobs, aside)
else -- what came after an earlier time: few
  local late = redis.call('HGETALL', jobs)
  for k = 1, #late, 2 do redis.call('HSET', aside, late[k], late[k + 1]) end
  redis.call('UNLINK', jobs)
end
redis.call('UNLINK', LOCKS .. shop)
redis.call('HDEL', WEIGHTS, shop)
local holds = redis.call('HGETALL', HOLDS)
for k = 1, #holds, 2 do
  if string.match(holds[k + 1], '^%d+ %S+ %S+ (%S+)') == shop then
    redis.call('HDEL', HOLDS, holds[k])
    redis.call('ZREM', ALARMS, 'hold:' .. holds[k])
  end
end
return { 'LEFT' }
