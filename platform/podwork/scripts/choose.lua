-- choose: write down the ids of a frozen set of jobs, and, at its end, what the set is.
-- ARGV: selection, how long it is kept (s), what it is (JSON) or '', then ids
-- Keys: chosen, selection.
-- A full Redis lets it: people choose jobs to discard them.

local selection, keep, note = ARGV[1], tonumber(ARGV[2]), ARGV[3]
if #ARGV > 3 then redis.call('RPUSH', CHOSEN .. selection, unpack(ARGV, 4)) end
if note ~= '' then redis.call('HSET', SELECTION .. selection, 'note', note) end
redis.call('EXPIRE', CHOSEN .. selection, keep)
redis.call('EXPIRE', SELECTION .. selection, keep)
return 1
