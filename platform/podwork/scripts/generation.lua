-- generation: say which Redis this is, and that it lacks nothing that its shard knows.
-- ARGV: generation; a batch of the relay, below which its count must not go on; and, when what it lacked was given
--       back: since when its keys were there at the beginning, the last batch that gave something back (else '', 0)
-- Answers: the generation that holds; if it is another, nothing was changed. '' when keys were lost again meanwhile.
-- Keys: generation.

local id, batch, since = unpack(redis.call('HMGET', GENERATION, 'id', 'batch', 'since'))
batch = tonumber(batch or 0)
if id and id ~= ARGV[1] then return id end
if ARGV[3] ~= '' and (since ~= ARGV[3] or batch < tonumber(ARGV[4])) then return '' end
redis.call('HSET', GENERATION, 'id', ARGV[1], 'batch', math.max(batch, tonumber(ARGV[2])))
if ARGV[3] ~= '' then redis.call('HDEL', GENERATION, 'lost') end
return ARGV[1]
