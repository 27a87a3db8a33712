-- apply: act on the next jobs of a frozen set and take them off its list, as one step.
-- ARGV: selection, action (in words), most, script of the action (cancel, revive or move_queue), then what that is given
--       before the ids
-- Answers: false when there is no such set (any more); otherwise {action for which it is there, jobs left}.
-- Keys: chosen, selection.
-- Guards that each job of the set is acted on once: whoever dies, dies before this step or after it. A full Redis lets
-- it: people choose jobs to discard them.

local list, note, action = CHOSEN .. ARGV[1], SELECTION .. ARGV[1], ARGV[2]
if redis.call('EXISTS', note) == 0 then return false end
redis.call('HSETNX', note, 'action', action)
local begun = redis.call('HGET', note, 'action')
if begun ~= action then return { begun, redis.call('LLEN', list) } end

local arguments, ids = { unpack(ARGV, 5) }, redis.call('LRANGE', list, 0, tonumber(ARGV[3]) - 1)
for _, id in ipairs(ids) do arguments[#arguments + 1] = id end
for _, what in ipairs(scripts[ARGV[4]](nil, arguments)) do redis.call('HINCRBY', note, 'did:' .. what, 1) end
redis.call('LTRIM', list, #ids, -1)
return { begun, redis.call('LLEN', list) }
