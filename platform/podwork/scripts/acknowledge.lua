-- acknowledge: end jobs that are done.
-- ARGV: incarnation, then shop, id for each job; best with the jobs of a shop side by side.
-- Answers: the ids that the process does not hold (any more); for those nothing was changed.
-- Uses: ending.
-- Keys: held:{incarnation}, jobs:{shop}, totals.
-- Guards J5: what another process holds, or what was given back, cannot be ended by a late answer.

local incarnation, ids, refused, done = ARGV[1], {}, {}, 0
for k = 3, #ARGV, 2 do ids[#ids + 1] = ARGV[k] end
local claimed = redis.call('HMGET', HELD .. incarnation, unpack(ids))
local shop, mine = nil, {}
for k, id in ipairs(ids) do
  local hold, of = claimed[k], ARGV[2 * k]
  if not hold then
    refused[#refused + 1] = id
  elseif #hold > 13 then
    local record = redis.call('HGET', JOBS .. of, id)
    let_go(incarnation, id)
    if record then gone(of, id, record, true) end
    done = done + 1
  else
    if shop and shop ~= of then
      redis.call('HDEL', JOBS .. shop, unpack(mine))
      mine = {}
    end
    shop = of
    mine[#mine + 1] = id
    done = done + 1
  end
end
if shop then redis.call('HDEL', JOBS .. shop, unpack(mine)) end
if done > 0 then
  redis.call('HDEL', HELD .. incarnation, unpack(ids))
  redis.call('HINCRBY', TOTALS, 'acknowledged', done)
end
return refused
