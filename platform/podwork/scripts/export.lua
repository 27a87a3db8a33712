-- export: read a page of a shop's jobs that the other pod does not have yet, in no order; changes nothing. What is noted
-- is left out: it comes in its order (export_since.lua).
-- ARGV: shop, mover epoch, which ('placed': those whose place says their order: scheduled, dead, behind another job;
--       'all'), cursor (0: from the beginning), count
-- Answers: {'PAGE', next cursor (0: there is no more), {id, place, its time or job, record, ...}, {room ...}}, the rooms
--          in which others of the page wait; or {'GATE', gate}: it is not this mover's; or {'HELD', id ...}.
-- Uses: travelling.
-- Keys: brought, jobs:{shop}, since.
-- Guards S4: jobs are handed over when none is held. A job that is here from the first page to the last is read.

local shop, mover, all = ARGV[1], tonumber(ARGV[2]), ARGV[3] == 'all'
local refusal = not_mine(shop, mover, 'pausing hold moved') or still_held(shop)
if refusal then return refusal end

local jobs, rooms, seen = {}, {}, {}
local page = redis.call('HSCAN', JOBS .. shop, ARGV[4], 'COUNT', ARGV[5])
for k = 1, #page[2], 2 do
  local id, record = page[2][k], page[2][k + 1]
  if not redis.call('ZSCORE', BROUGHT .. shop, id) and not redis.call('ZSCORE', SINCE .. shop, id) then
    local place, at, room = stand_of(id)
    if all or place ~= 'ready' then
      local n = #jobs
      jobs[n + 1], jobs[n + 2], jobs[n + 3], jobs[n + 4] = id, place, at, record
    elseif room and not seen[room] then
      seen[room] = true
      rooms[#rooms + 1] = room
    end
  end
end
return { 'PAGE', page[1], jobs, rooms }
