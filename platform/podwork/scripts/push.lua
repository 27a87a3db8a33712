-- push: accept jobs, group by group; a group is jobs of one shop in one queue.
-- ARGV: for each group: queue, shop, epoch, fresh (1: ids never used before), count, then id, record ...
-- Answers: {accepted, refusal ...}; a refusal is {group from 1, 'HOLD'} or {group, 'MOVED', pod, epoch}.
-- Keys: gate (read), jobs:{shop}, lane:{queue}:{shop}, ring:{queue}, sizes, wake:{queue}, totals.
-- Guards J3: a push under an epoch that is not the gate's is answered, never stored.

local function refusal_of(shop, epoch)
  if shop == 'pod' then return nil end
  local state, gate_epoch, pod = gate_of(shop)
  if state == 'hold' then return { 'HOLD' } end
  if epoch > gate_epoch then
    -- The pusher knows a later epoch than the gate: fine if open, otherwise the gate is about to follow.
    if state == 'open' then return nil end
    return { 'HOLD' }
  end
  if state == 'moved' then return { 'MOVED', pod, gate_epoch } end
  if epoch < gate_epoch then return { 'MOVED', pod, gate_epoch } end
  return nil
end

local answer, accepted, group, at = { 0 }, 0, 0, 1
while at <= #ARGV do
  group = group + 1
  local queue, shop, epoch = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local fresh, last = ARGV[at + 3] == '1', at + 4 + 2 * tonumber(ARGV[at + 4])
  local refusal, ids = refusal_of(shop, epoch), {}
  if refusal then
    table.insert(refusal, 1, group)
    answer[#answer + 1] = refusal
  elseif fresh then
    for k = at + 5, last, 2 do ids[#ids + 1] = ARGV[k] end
    redis.call('HSET', JOBS .. shop, unpack(ARGV, at + 5, last))
  else
    -- Sent again under ids that may have arrived before: only what is not there yet enters the lane.
    for k = at + 5, last, 2 do
      if redis.call('HSETNX', JOBS .. shop, ARGV[k], ARGV[k + 1]) == 1 then ids[#ids + 1] = ARGV[k] end
    end
  end
  if #ids > 0 then
    enter(queue, shop, ids)
    accepted = accepted + #ids
  end
  at = last + 1
end
answer[1] = accepted
if accepted > 0 then redis.call('HINCRBY', TOTALS, 'accepted', accepted) end
return answer
