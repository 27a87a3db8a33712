-- gate: set a shop's gate: 'open', 'hold' or 'moved'.
-- ARGV: shop, state, epoch, pod, mover epoch, and '1' if the same mover must have paused the shop before, or ''
-- Answers: {1, gate}; or {0, gate}, nothing was changed: what stands has a later epoch (S2: epochs only grow) or was set
--          by a later mover, or the shop is not paused.
-- Uses: lifting.
-- Keys: arrived, brought, gate, orders:{incarnation}, processes, since.
-- Guards S6: what a mover sends that has been given up, and arrives late, is refused once another has set the gate.
-- A gate that closes costs nothing here: the next claim finds it and takes the lane out of the ring. One that opens
-- ends a passage of the shop's jobs, whichever way it went: its marks are nothing any more, nor are orders to yield that
-- nobody has heard yet.

local shop, state, epoch, pod, mover = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local before, gate_epoch, _, gate_mover = gate_of(shop)
local paused = gate_mover == mover and gate_epoch == epoch and (before == 'pausing' or before == 'hold')
if epoch < gate_epoch or mover < gate_mover or ARGV[6] == '1' and not paused then
  return { 0, redis.call('HGET', GATE, shop) or '' }
end
local gate = state .. ' ' .. ARGV[3] .. ' ' .. pod .. ' ' .. ARGV[5]
redis.call('HSET', GATE, shop, gate)
if state == 'open' then
  redis.call('UNLINK', BROUGHT .. shop, ARRIVED .. shop, SINCE .. shop)
  for _, incarnation in ipairs(redis.call('ZRANGE', PROCESSES, 0, -1)) do
    redis.call('LREM', ORDERS .. incarnation, 0, 'yield ' .. shop)
  end
  bring_in(shop, '*')
end
return { 1, gate }
