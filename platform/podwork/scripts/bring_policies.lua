-- bring_policies: let a shop's weight, and the holds that name it, be here as they are at the pod that it leaves.
-- ARGV: shop, epoch, mover epoch, weight or '', then name, text of each hold
-- Answers: {'STORED'}; or {'GATE', gate}: the gate is not on hold by this mover, and nothing was changed.
-- Keys: alarms, gate, holds, weights.
-- Holds that name the shop and are not told are lifted there.

local shop, told = ARGV[1], {}
local state, epoch, _, gate_mover = gate_of(shop)
if state ~= 'hold' or gate_mover ~= tonumber(ARGV[3]) or epoch ~= tonumber(ARGV[2]) then
  return { 'GATE', redis.call('HGET', GATE, shop) or '' }
end
if ARGV[4] == '' then redis.call('HDEL', WEIGHTS, shop) else redis.call('HSET', WEIGHTS, shop, ARGV[4]) end
for k = 5, #ARGV, 2 do
  local name, text = ARGV[k], ARGV[k + 1]
  told[name] = true
  redis.call('HSET', HOLDS, name, text)
  local till = string.match(text, '^(%d+)')
  if till ~= '0' then redis.call('ZADD', ALARMS, till, 'hold:' .. name) end
end
local holds = redis.call('HGETALL', HOLDS)
for k = 1, #holds, 2 do
  if not told[holds[k]] and string.match(holds[k + 1], '^%d+ %S+ %S+ (%S+)') == shop then
    redis.call('HDEL', HOLDS, holds[k])
    redis.call('ZREM', ALARMS, 'hold:' .. holds[k])
  end
end
return { 'STORED' }
