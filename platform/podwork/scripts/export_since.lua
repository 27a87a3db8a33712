-- export_since: read the first of what has changed among a shop's jobs since they were brought; changes nothing.
-- ARGV: shop, mover epoch, count
-- Answers: {'PAGE', order of the last of them or '', how many there were before, {id, place, its time or job, record,
--          ...}, {id that is no more ...}, {digest, lock or '', ...}, {ended id ...}}; or {'GATE', gate}, {'HELD', id ...},
--          as export.lua.
-- Uses: travelling.
-- Keys: jobs:{shop}, locks:{shop}, since.

local shop, mover = ARGV[1], tonumber(ARGV[2])
local refusal = not_mine(shop, mover, 'pausing hold moved') or still_held(shop)
if refusal then return refusal end

local noted = redis.call('ZRANGE', SINCE .. shop, 0, tonumber(ARGV[3]) - 1, 'WITHSCORES')
local jobs, gone, locks, ended = {}, {}, {}, {}
for k = 1, #noted, 2 do
  local kind, what = string.match(noted[k], '^(%a+) (.+)$')
  if kind == 'lock' then
    locks[#locks + 1] = what
    locks[#locks + 1] = redis.call('HGET', LOCKS .. shop, what) or ''
  elseif kind == 'ended' then
    ended[#ended + 1] = what
  else
    local id, n = noted[k], #jobs
    local record = redis.call('HGET', JOBS .. shop, id)
    if record then
      jobs[n + 1], jobs[n + 4] = id, record
      jobs[n + 2], jobs[n + 3] = stand_of(id)
    else
      gone[#gone + 1] = id
    end
  end
end
return { 'PAGE', noted[#noted] or '', redis.call('ZCARD', SINCE .. shop), jobs, gone, locks, ended }
