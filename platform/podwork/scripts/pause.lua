-- pause: let no job of a shop start any more, and tell those who hold some to give them back. Pushes are still
-- accepted; what they change is noted (parts/noting.lua).
-- ARGV: shop, epoch, pod, mover epoch
-- Answers: {1, gate}; or {0, gate}: what stands has a later epoch or was set by a later mover, and nothing was changed.
-- Uses: travelling.
-- Keys: brought, gate, orders:{incarnation}, since.
-- Who is told hears it at once, over the channel on which it listens, and with its next heartbeat. When it is said again
-- by the same mover, what was brought and noted meanwhile counts on; before the first time, nothing does.

local shop, epoch, mover = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4])
local state, gate_epoch, _, gate_mover = gate_of(shop)
if epoch < gate_epoch or mover < gate_mover then return { 0, redis.call('HGET', GATE, shop) or '' } end
local gate = 'pausing ' .. ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4]
if state ~= 'pausing' or gate_mover ~= mover then redis.call('UNLINK', BROUGHT .. shop, SINCE .. shop) end
redis.call('HSET', GATE, shop, gate)
local order, told = 'yield ' .. shop, {}
for _, holder in ipairs(holders_of(shop)) do
  local incarnation = holder[2]
  if not told[incarnation] then
    told[incarnation] = true
    if not redis.call('LPOS', ORDERS .. incarnation, order) then redis.call('RPUSH', ORDERS .. incarnation, order) end
    redis.call('PUBLISH', 'podwork:ear:' .. incarnation, order)
  end
end
return { 1, gate }
