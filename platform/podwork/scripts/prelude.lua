-- Stands in front of all scripts in their library (library.py): the names of keys.py and the moves that nearly all
-- share. What fewer share lies in parts/; a script names the parts that it uses. Built once, when the library is loaded.
-- Redis runs a script as one step, so what is inside one script cannot be seen half done.

local JOBS, LANE, RING = 'podwork:jobs:', 'podwork:lane:', 'podwork:ring:'
local OUTSIDE, SIZES, BELL = 'podwork:outside:', 'podwork:sizes', 'podwork:bell'
local IDLE, IDLE_IN = 'podwork:idle', 'podwork:idle:'
local SCHEDULE, DEAD, GATE, TOTALS = 'podwork:schedule', 'podwork:dead', 'podwork:gate', 'podwork:totals'
local PROCESSES, PROCESS, HELD = 'podwork:processes', 'podwork:process:', 'podwork:held:'
local ORDERS, LEADER = 'podwork:orders:', 'podwork:leader'
local ROOMS, PARKED, ALARMS = 'podwork:rooms', 'podwork:parked', 'podwork:alarms'
local HOLDS, LIMITS, WEIGHTS = 'podwork:holds', 'podwork:limits', 'podwork:weights'
local PASSES, GRANTED, BUCKET = 'podwork:passes:', 'podwork:granted', 'podwork:bucket:'
local LOCKS, ENDED, SUCCESSES = 'podwork:locks:', 'podwork:ended', 'podwork:successes'
local SCHEDULES, TICKS, CATALOGUES = 'podwork:schedules', 'podwork:ticks:', 'podwork:catalogues:'
local CARRIED, RELAY, GENERATION = 'podwork:carried', 'podwork:relay', 'podwork:generation'
local SELECTION, CHOSEN = 'podwork:selection:', 'podwork:chosen:'
local BROUGHT, ARRIVED = 'podwork:brought:', 'podwork:arrived:'
local SINCE, ASIDE = 'podwork:since:', 'podwork:aside:'

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The gate's answer for a shop: state ('open', 'pausing', 'hold', 'moved'), epoch, pod, and the mover epoch of who set
-- it (0: nobody who moves shops).
local function gate_of(shop)
  local gate = redis.call('HGET', GATE, shop)
  if not gate then return 'open', 0, 0, 0 end
  local state, epoch, pod, mover = string.match(gate, '^(%a+) (%d+) (%d+) ?(%d*)$')
  return state, tonumber(epoch), tonumber(pod), tonumber(mover) or 0
end

-- A lease that is over is written as 0, so that no renewal can bring it back while jobs are being reclaimed.
local function has_lease(incarnation)
  local lease = redis.call('ZSCORE', PROCESSES, incarnation)
  return lease and tonumber(lease) > 0
end

local function shop_of(id)
  return string.match(id, '%-(.+)$')
end

-- A record that somebody broke by hand still goes somewhere: to a worker, which buries it.
local function queue_of(record)
  return string.match(record, '^%S+ (%S+) ') or 'default'
end

-- A process that has room and found nothing is listed as idle under each of its queues, by the claim that found
-- nothing (claim.lua): whatever comes in after that finds it there. Its note says on which channel it listens, for how
-- many jobs it has room, and its queues.
local function list_idle(incarnation, channel, room, queues)
  redis.call('HSET', IDLE, incarnation, channel .. ' ' .. room .. ' ' .. queues)
  for queue in string.gmatch(queues, '%S+') do redis.call('RPUSH', IDLE_IN .. queue, incarnation) end
end

local function read_note(note)
  local channel, room, queues = string.match(note or '', '^(%S+) (%d+) (.+)$')
  return channel, tonumber(room), queues
end

-- Take a process off the lists.
local function unlist(incarnation)
  local channel, _, queues = read_note(redis.call('HGET', IDLE, incarnation))
  if not channel then return end
  redis.call('HDEL', IDLE, incarnation)
  for queue in string.gmatch(queues, '%S+') do redis.call('LREM', IDLE_IN .. queue, 0, incarnation) end
end

-- The process that has waited longest for work of the queue; it stays on the lists, as the last one of this queue's.
-- Those that do not hear (their connection ended) or have no lease any more leave them. Nil: nobody waits.
local function next_idle(queue)
  local list = IDLE_IN .. queue
  while true do
    local incarnation = redis.call('LMOVE', list, list, 'LEFT', 'RIGHT')
    if not incarnation then return nil end
    local channel, room, queues = read_note(redis.call('HGET', IDLE, incarnation))
    if channel and redis.call('PUBSUB', 'NUMSUB', channel)[2] > 0 and has_lease(incarnation) then
      return incarnation, channel, room, queues
    end
    unlist(incarnation)
    redis.call('LREM', list, 0, incarnation)
  end
end

-- Tell one idle process that the queue may have work. Who is told and leaves work behind tells the next (claim.lua).
local function wake(queue)
  local incarnation, channel = next_idle(queue)
  if not incarnation then return end
  unlist(incarnation)
  redis.call('PUBLISH', channel, '')
end

-- Put ids into the shop's lane, at its end or (`front`) at its head in the given order. A lane that had
-- nobody enters the ring. Whether the shop's gate is open is the next claim's question: a lane with work is
-- always in exactly one place, the ring or, when a claim found its gate closed, outside.
local function line_up(queue, shop, ids, front)
  local lane, length = LANE .. queue .. ':' .. shop, 0
  if front then
    for k = #ids, 1, -1 do length = redis.call('LPUSH', lane, ids[k]) end
  else
    length = redis.call('RPUSH', lane, unpack(ids))
  end
  if length == #ids then redis.call('RPUSH', RING .. queue, shop) end
end

-- Say that so many ids have lined up in a queue.
local function count_in(queue, number)
  redis.call('HINCRBY', SIZES, queue, number)
  wake(queue)
end

local function enter(queue, shop, ids, front)
  line_up(queue, shop, ids, front)
  count_in(queue, #ids)
end
