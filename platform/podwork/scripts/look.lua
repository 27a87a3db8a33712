-- look: say where jobs stand, and what is known of them there; changes nothing.
-- ARGV: ids
-- Answers: for each id false, or {state, process or room or '', what the process holds of it or its time in the
--          schedule or the dead set (ms) or '', record}.
-- Costs a few commands a job, and for one that is ready or held one more for each process.
-- Uses: places.
-- Keys: dead, held:{incarnation}, jobs:{shop}, schedule.

local function look(id)
  local shop = shop_of(id)
  local record = shop and redis.call('HGET', JOBS .. shop, id)
  if not record then return false end
  local state, where = place_of(id)
  local more = ''
  if state == 'held' then more = redis.call('HGET', HELD .. where, id) end
  if state == 'dead' then more = redis.call('ZSCORE', DEAD, id) end
  if state == 'scheduled' then more = redis.call('ZSCORE', SCHEDULE, id) end
  return { state, where or '', more, record }
end

local answer = {}
for k, id in ipairs(ARGV) do answer[k] = look(id) end
return answer
