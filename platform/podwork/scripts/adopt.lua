-- adopt: list what a live process holds, for when the answer to a claim was lost on the way.
-- ARGV: incarnation
-- Answers: false when the incarnation has no lease (any more); otherwise {shop, id, record, ...}.
-- Uses: ending.
-- Keys: held:{incarnation}, idle, idle:{queue}, jobs:{shop}, processes.
-- Guards J1: a job that was claimed but never arrived would otherwise be held for as long as the process lives.

local incarnation = ARGV[1]
if not has_lease(incarnation) then return false end
unlist(incarnation)
local out = {}
for _, id in ipairs(redis.call('HKEYS', HELD .. incarnation)) do
  local shop = shop_of(id)
  local record = redis.call('HGET', JOBS .. shop, id)
  if record then
    out[#out + 1], out[#out + 2], out[#out + 3] = shop, id, record
  else
    let_go(incarnation, id)
  end
end
return out
