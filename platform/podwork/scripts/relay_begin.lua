-- relay_begin: let a relay begin; from now on the pushes of every relay before it are refused.
-- ARGV: token, which nobody had before; generation that the shard knows; latest batch that a row of the shard names
-- Answers: {generation found here or '', its last batch, since when its keys are there, 1 if some were lost}. If the
--          generation is another, nothing was changed: this Redis belongs to another shard.
-- Keys: generation, relay.
-- A Redis whose count lies behind the shard's rows has gone back in time. It is written down, because the count goes on.

local id, batch = unpack(redis.call('HMGET', GENERATION, 'id', 'batch'))
if not id or id == ARGV[2] then
  redis.call('SET', RELAY, ARGV[1])
  redis.call('HSETNX', GENERATION, 'since', ARGV[1])
  if id and tonumber(batch or 0) < tonumber(ARGV[3]) then redis.call('HSET', GENERATION, 'lost', 1) end
end
local since, lost = unpack(redis.call('HMGET', GENERATION, 'since', 'lost'))
return { id or '', tonumber(batch or 0), since or '', lost and 1 or 0 }
