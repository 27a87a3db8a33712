-- start: say that a job which was reclaimed before is now really being started.
-- ARGV: incarnation, id
-- Answers: 1, or 0 when the process does not hold the job (any more): then it must not be started.
-- Keys: held:{incarnation}.
-- A process that dies holds jobs that it had not started; they are not poison. Saying so for every start would
-- cost each job a command, so it is said only for the few that were reclaimed once already (reclaim.lua).

if redis.call('HEXISTS', HELD .. ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('HSET', HELD .. ARGV[1], ARGV[2], 'started')
return 1
