-- noting: what changes among a shop's jobs while they travel to another pod, so that it is brought there, too.
-- Keys: gate, since.
-- Only what happens to jobs that nobody holds is noted: jobs are brought when none is held. That a job is promoted, or
-- leaves a room for its lane, is not: where it is brought to it stands as ready in any case (parts/travelling.lua).

local function travels(shop)
  local state = gate_of(shop)
  return state == 'pausing' or state == 'hold'
end

-- `what`: a job's id, 'lock {digest}', or 'ended {id of a row of the outbox}'. Noted again, it comes last.
local function note(shop, what)
  if not travels(shop) then return end
  local time = redis.call('TIME')
  local last = redis.call('ZRANGE', SINCE .. shop, -1, -1, 'WITHSCORES')[2]
  redis.call('ZADD', SINCE .. shop, math.max(time[1] * 1000000 + time[2], (tonumber(last) or 0) + 1), what)
end
