-- schedule: keep, change or forget a schedule, if nobody has changed it since it was read.
-- ARGV: schedule, turn in which it was read (0: there was none), what is kept of it from now on ('': forget it), and
--       when code says so, its application and the token of its start; '' '': a person says so, or the leader
-- Answers: 1; 0: it has changed, or a later start of the application has the say; then nothing was done.
-- Keys: catalogues, schedules, successes, ticks.
-- Guards: of two changes made to the same reading one counts, and older code never overrules newer.

local schedule, turn, text, app, token = unpack(ARGV)
local known = redis.call('HGET', SCHEDULES, schedule)
if (known and string.match(known, '^(%d+) ') or '0') ~= turn then return 0 end
if token ~= '' and redis.call('ZRANGE', CATALOGUES .. app, -1, -1)[1] ~= token then return 0 end
if text == '' then
  redis.call('HDEL', SCHEDULES, schedule)
  redis.call('DEL', TICKS .. schedule)
  redis.call('HDEL', SUCCESSES, schedule)
else
  redis.call('HSET', SCHEDULES, schedule, text)
end
return 1
