-- mark: write down which jobs of a shop the other pod has, and that what was noted before is brought.
-- ARGV: shop, mover epoch, order of the last noted that was brought or '', ids that it has (count), then these, then those
--       that are no more
-- Answers: {'MARKED'}; or {'GATE', gate}: it is not this mover's, and nothing was changed.
-- Uses: travelling.
-- Keys: brought, since.
-- What is noted once more between reading it and this has a later order, and stays.

local shop, mover, count = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4])
local refusal = not_mine(shop, mover, 'pausing hold moved')
if refusal then return refusal end
for k = 5, 4 + count do redis.call('ZADD', BROUGHT .. shop, 0, ARGV[k]) end
for k = 5 + count, #ARGV do redis.call('ZREM', BROUGHT .. shop, ARGV[k]) end
if ARGV[3] ~= '' then redis.call('ZREMRANGEBYSCORE', SINCE .. shop, '-inf', ARGV[3]) end
return { 'MARKED' }
