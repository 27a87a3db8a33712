-- handing: give what has just lined up to a process that waits for it, in the same step.
-- Uses: claiming.
-- Keys: idle, idle:{queue}, processes.
-- What is handed over is held from here on, as if the process had claimed it itself. If the message does not arrive,
-- its connection has ended, and it adopts what it holds; or its lease ends, and others reclaim it.

-- A message is '1' (look for more) or '0' (still listed as idle), then length:text of shop, id and record of each job.
local function hand_over(queue)
  local incarnation, channel, room, queues = next_idle(queue)
  if not incarnation then return end
  local out, got, left, stirred = claim_jobs(incarnation, room, { queue })
  local listed = got < room and not left and not stirred
  if listed then list_idle(incarnation, channel, room - got, queues) end
  for k, part in ipairs(out) do out[k] = #part .. ':' .. part end
  if not listed or got > 0 then redis.call('PUBLISH', channel, (listed and '0' or '1') .. table.concat(out)) end
  if left then wake(left) end
end
