-- travelling: a shop's jobs on their way to another pod: whose step it is, who holds any, where each stands.
-- Keys: dead, gate, held:{incarnation}, parked, processes, schedule.

-- Nil when the shop's gate is in one of the states and was set by this mover; else what to answer (`gate.mover`, and
-- that a Redis which has lost its last writes hands over nothing and takes nothing).
local function not_mine(shop, mover, states)
  local state, _, _, gate_mover = gate_of(shop)
  if gate_mover == mover and string.find(states, state, 1, true) then return nil end
  return { 'GATE', redis.call('HGET', GATE, shop) or '' }
end

-- The jobs of the shop that are held: {id, incarnation} each.
local function holders_of(shop)
  local found = {}
  for _, incarnation in ipairs(redis.call('ZRANGE', PROCESSES, 0, -1)) do
    for _, id in ipairs(redis.call('HKEYS', HELD .. incarnation)) do
      if shop_of(id) == shop then found[#found + 1] = { id, incarnation } end
    end
  end
  return found
end

-- Nil when none of the shop's jobs is held; else what to answer (`jobs.drained`).
local function still_held(shop)
  local holders = holders_of(shop)
  if #holders == 0 then return nil end
  local answer = { 'HELD' }
  for _, holder in ipairs(holders) do answer[#answer + 1] = holder[1] end
  return answer
end

-- Where a job stands that nobody holds, as another pod is told: 'dead' or 'scheduled' and its time, 'after' and the job
-- for whose end it waits, or 'ready' and ''. What waits for this pod's holds, limits and revisions counts as ready.
local function stand_of(id)
  local time = redis.call('ZSCORE', DEAD, id)
  if time then return 'dead', time end
  time = redis.call('ZSCORE', SCHEDULE, id)
  if time then return 'scheduled', time end
  local room = redis.call('HGET', PARKED, id)
  local before = room and string.match(room, '^!after:(.*)$')
  if before then return 'after', before end
  return 'ready', '', room
end
