-- relay: push jobs of the outbox, whose transactions have committed.
-- ARGV: token, look ('1': only say what would be), then for each job: queue, shop, epoch, due (ms, 0: now), id, record,
--       locks (count), and digest, period, conflict for each lock.
-- Answers: false when another relay has begun since; otherwise {batch, fate ...}, the fate of each job: 'stored',
--          'there' (it came before), 'ended' (it came and ended, or another job stands for it), 'HOLD', 'MOVED'.
-- Uses: gates, storing, outbox, noting.
-- Keys: carried, ended, generation, jobs:{shop}, locks:{shop}, relay, totals.
-- Guards J3, and that a job of the outbox is stored once in its life: a relay that slept is refused by the token, and
-- what it knew is asked for again; whatever ended stays in `ended` until its row is gone (relay_forget.lua).

local token, look = ARGV[1], ARGV[2] == '1'
if not look and redis.call('GET', RELAY) ~= token then return false end
local stored = 0

local function is_here(shop, id)
  local carrier = redis.call('HGET', CARRIED, id)
  return redis.call('HEXISTS', JOBS .. shop, carrier or id) == 1
end

local function fate_of(queue, shop, epoch, due, id, record, locks)
  if redis.call('SISMEMBER', ENDED, id) == 1 then return 'ended' end
  if is_here(shop, id) then return 'there' end
  local refusal = refusal_of(shop, epoch)
  if refusal then return refusal[1] end
  if look then return 'stored' end
  if #locks == 0 then
    store(queue, shop, due, id, record)
    stored = stored + 1
    return 'stored'
  end
  -- A lock of its own from a life that is not here any more must not pass for the job itself.
  for _, lock in ipairs(locks) do
    if owner_of(shop, lock[1]) == id then
      redis.call('HDEL', LOCKS .. shop, lock[1])
      note(shop, 'lock ' .. lock[1])
    end
  end
  if store_locked(queue, shop, due, id, record, locks)[1] ~= 'kept' then return 'stored' end
  end_row(id)
  return 'ended'
end

local answer, at = { 0 }, 3
while at <= #ARGV do
  local locks, last = {}, at + 6 + 3 * tonumber(ARGV[at + 6])
  for k = at + 7, last, 3 do locks[#locks + 1] = { ARGV[k], tonumber(ARGV[k + 1]), ARGV[k + 2] } end
  answer[#answer + 1] = fate_of(ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), ARGV[at + 4],
    ARGV[at + 5], locks)
  at = last + 1
end
if stored > 0 then redis.call('HINCRBY', TOTALS, 'accepted', stored) end
if not look then answer[1] = redis.call('HINCRBY', GENERATION, 'batch', 1) end
return answer
