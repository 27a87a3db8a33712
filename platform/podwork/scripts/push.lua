-- push: accept jobs, group by group; a group is jobs of one shop in one queue, due at one time.
-- ARGV: for each group: queue, shop, epoch, due (ms, 0: now), fresh (1: ids never used before), count, then
--       id, record ...
-- Answers: {accepted, refusal ...}; a refusal is {group from 1, 'HOLD'} or {group, 'MOVED', pod, epoch}.
-- Uses: gates, handing, noting.
-- Keys: gate, jobs:{shop}, lane:{queue}:{shop}, ring:{queue}, schedule, sizes, totals.
-- Guards J3: a push under an epoch that is not the gate's is answered, never stored.

local answer, accepted, group, at, lined_up = { 0 }, 0, 0, 1, {}
local gated = redis.call('EXISTS', GATE) == 1
while at <= #ARGV do
  group = group + 1
  local queue, shop, epoch, due = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3]
  local fresh, last = ARGV[at + 4] == '1', at + 5 + 2 * tonumber(ARGV[at + 5])
  local refusal, ids = gated and refusal_of(shop, epoch), {}
  if refusal then
    table.insert(refusal, 1, group)
    answer[#answer + 1] = refusal
  elseif fresh then
    for k = at + 6, last, 2 do ids[#ids + 1] = ARGV[k] end
    redis.call('HSET', JOBS .. shop, unpack(ARGV, at + 6, last))
  else
    -- Sent again under ids that may have arrived before: only what is not there yet enters the lane.
    for k = at + 6, last, 2 do
      if redis.call('HSETNX', JOBS .. shop, ARGV[k], ARGV[k + 1]) == 1 then ids[#ids + 1] = ARGV[k] end
    end
  end
  if #ids > 0 then
    accepted = accepted + #ids
    if gated and travels(shop) then for _, id in ipairs(ids) do note(shop, id) end end
    local alone = fresh and due == '0' and #ARGV == 8
    if alone and hand_straight(queue, shop, ARGV[7], ARGV[8]) then
      break
    elseif due == '0' then
      line_up(queue, shop, ids)
      lined_up[queue] = (lined_up[queue] or 0) + #ids
    else
      local scored = {}
      for k, id in ipairs(ids) do scored[2 * k - 1], scored[2 * k] = due, id end
      redis.call('ZADD', SCHEDULE, unpack(scored))
    end
  end
  at = last + 1
end
for queue, number in pairs(lined_up) do
  redis.call('HINCRBY', SIZES, queue, number)
  hand_over(queue)
end
answer[1] = accepted
if accepted > 0 then redis.call('HINCRBY', TOTALS, 'accepted', accepted) end
return answer
