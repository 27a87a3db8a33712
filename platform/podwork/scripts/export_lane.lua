-- export_lane: read a page of a shop's lane, in a queue or a room, in its order; changes nothing.
-- ARGV: shop, mover epoch, queue or room, index from which on, count
-- Answers: {'PAGE', ids looked at, {id, 'ready', '', record, ...}}, without those that the other pod has; fewer ids than
--          `count` mean that it is read. Or {'GATE', gate}, {'HELD', id ...}, as export.lua.
-- Uses: travelling.
-- Keys: brought, jobs:{shop}, lane:{queue}:{shop}, parked.

local shop, mover, queue, from = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local refusal = not_mine(shop, mover, 'pausing hold moved') or still_held(shop)
if refusal then return refusal end

local ids = redis.call('LRANGE', LANE .. queue .. ':' .. shop, from, from + tonumber(ARGV[5]) - 1)
if #ids == 0 then return { 'PAGE', 0, {} } end
local records, brought = redis.call('HMGET', JOBS .. shop, unpack(ids)), redis.call('ZMSCORE', BROUGHT .. shop, unpack(ids))
local is_room, jobs = string.sub(queue, 1, 1) == '!', {}
for k, id in ipairs(ids) do
  if records[k] and not brought[k] and (not is_room or redis.call('HGET', PARKED, id) == queue) then
    local n = #jobs
    jobs[n + 1], jobs[n + 2], jobs[n + 3], jobs[n + 4] = id, 'ready', '', records[k]
  end
end
return { 'PAGE', #ids, jobs }
