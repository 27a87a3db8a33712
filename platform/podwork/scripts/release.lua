-- release: give jobs back to the head of their lanes, in the given order; no attempt is spent.
-- ARGV: incarnation, then queue, shop, id, record for each job; an empty record keeps the stored one.
-- Answers: how many were given back; those that the process does not hold (any more) are left alone.
-- Uses: ending.
-- Keys: idle, idle:{queue}, jobs:{shop}, lane:{queue}:{shop}, processes, ring:{queue}, sizes, totals.
-- Guards J5 and J6.

local incarnation, released = ARGV[1], 0
for k = #ARGV - 3, 2, -4 do -- backwards: each goes in front of the one that follows it
  local queue, shop, id, record = ARGV[k], ARGV[k + 1], ARGV[k + 2], ARGV[k + 3]
  local hold = let_go(incarnation, id)
  if hold then
    released = released + 1
    if not ended_by_cancel(shop, id, hold) then
      if record ~= '' then redis.call('HSET', JOBS .. shop, id, record) end
      enter(queue, shop, { id }, true)
    end
  end
end
if released > 0 then redis.call('HINCRBY', TOTALS, 'released', released) end
return released
