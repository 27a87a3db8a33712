-- alarm: look at what was to be looked at by now: holds and locks whose time is over, rates that have something left
-- again, rooms that are being emptied.
-- ARGV: limit (alarms), most (jobs that leave one room)
-- Answers: how many alarms went off.
-- Uses: rooms, slots, lifting.
-- Keys: alarms, holds, locks:{shop}.
-- An alarm that comes early or twice finds nothing to do; one that is lost is set again by whoever waits.

local now = now_ms()
local due = redis.call('ZRANGEBYSCORE', ALARMS, '-inf', now, 'LIMIT', 0, tonumber(ARGV[1]))
for _, alarm in ipairs(due) do
  redis.call('ZREM', ALARMS, alarm)
  local kind, rest = string.match(alarm, '^(%a+):(.*)$')
  if kind == 'limit' then
    admit(rest)
  elseif kind == 'hold' then
    local till = tonumber(string.match(redis.call('HGET', HOLDS, rest) or '0', '^(%d+)'))
    if till > now then redis.call('ZADD', ALARMS, till, alarm) elseif till > 0 then lift(rest) end
  elseif kind == 'room' then
    if empty(rest, tonumber(ARGV[2])) == tonumber(ARGV[2]) then redis.call('ZADD', ALARMS, now, alarm) end
  elseif kind == 'lock' then
    local shop, digest = string.match(rest, '^([^:]+):(.*)$')
    local till = string.match(redis.call('HGET', LOCKS .. shop, digest) or '', ' (%d+)$')
    if till and till ~= '0' and tonumber(till) <= now then redis.call('HDEL', LOCKS .. shop, digest) end
  end
end
return #due
