-- claim: take up to `want` jobs under the process's lease, queue by queue in the given order.
-- ARGV: incarnation, want, channel ('': it does not listen), queue ...
-- Answers: false when the incarnation has no lease (any more); otherwise {shop, id, record, ...}.
-- Uses: claiming.
-- Keys: idle, idle:{queue}, processes, ring:{queue}.
-- Guards J5 (no lease, no claim). A process that got less than it wanted is listed as idle, in this same step, so that
-- no push falls between its look and its waiting. One that wants nothing hands on what it was told.

local incarnation, want, channel, queues = ARGV[1], tonumber(ARGV[2]), ARGV[3], { unpack(ARGV, 4) }
if not has_lease(incarnation) then return false end
local out, got, left, stirred = claim_jobs(incarnation, want, queues)
local room, served = want - got, table.concat(queues, ' ')
if room == 0 or channel == '' then
  unlist(incarnation)
elseif redis.call('HGET', IDLE, incarnation) ~= channel .. ' ' .. room .. ' ' .. served then
  unlist(incarnation)
  list_idle(incarnation, channel, room, served)
end
for _, queue in ipairs(queues) do
  if queue == left or stirred and redis.call('EXISTS', RING .. queue) == 1 then wake(queue) end
end
return out
