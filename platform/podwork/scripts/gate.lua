-- gate: set a shop's gate: 'open', 'hold' or 'moved'.
-- ARGV: shop, state, epoch, pod
-- Answers: 1, or 0 when the gate already has a later epoch; then nothing was changed (S2: epochs only grow).
-- Uses: lifting.
-- Keys: gate.
-- A gate that closes costs nothing here: the next claim finds it and takes the lane out of the ring.

local shop, state, epoch, pod = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local _, gate_epoch = gate_of(shop)
if epoch < gate_epoch then return 0 end
redis.call('HSET', GATE, shop, state .. ' ' .. ARGV[3] .. ' ' .. pod)
if state == 'open' then bring_in(shop, '*') end
return 1
