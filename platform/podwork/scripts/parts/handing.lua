-- handing: give what has just lined up to a process that waits for it, in the same step.
-- Uses: claiming.
-- Keys: gate, held:{incarnation}, holds, idle, idle:{queue}, limits, processes, ring:{queue}, totals, weights.
-- What is handed over is held from here on, as if the process had claimed it itself. If the message does not arrive,
-- its connection has ended, and it adopts what it holds; or its lease ends, and others reclaim it.

-- A message is '1' (look for more) or '0' (still listed as idle), then length:text of shop, id and record of each job.
local function tell(channel, listed, parts)
  for k, part in ipairs(parts) do parts[k] = #part .. ':' .. part end
  redis.call('PUBLISH', channel, (listed and '0' or '1') .. table.concat(parts))
end

local function keep_listed(incarnation, channel, room, queues)
  redis.call('HSET', IDLE, incarnation, channel .. ' ' .. room .. ' ' .. queues)
end

local function hand_over(queue)
  local incarnation, channel, room, queues = next_idle(queue)
  if not incarnation then return end
  local out, got, left, stirred = claim_jobs(incarnation, room, { queue })
  local listed = got < room and not left and not stirred
  if not listed then
    unlist(incarnation)
  elseif got > 0 then
    keep_listed(incarnation, channel, room - got, queues)
  end
  if not listed or got > 0 then tell(channel, listed, out) end
  if left then wake(left) end
end

-- The same for one job that was stored and has not lined up: nobody stands before it in the queue, and nothing in this
-- Redis could stop it, so it need not go through lane and ring. False: it has to.
local function hand_straight(queue, shop, id, record)
  if redis.call('EXISTS', RING .. queue, HOLDS, LIMITS, WEIGHTS, GATE) > 0 then return false end
  local incarnation, channel, room, queues = next_idle(queue)
  if not incarnation then return false end
  local claim = { text = string.format('%.0f', now_ms()) }
  redis.call('HSET', HELD .. incarnation, id, hold_of(claim, record))
  redis.call('HINCRBY', TOTALS, 'claimed:' .. queue, 1)
  if room > 1 then keep_listed(incarnation, channel, room - 1, queues) else unlist(incarnation) end
  tell(channel, room > 1, { shop, id, record })
  return true
end
