-- park: set a job aside until what its room is named after comes about.
-- ARGV: incarnation, shop, id, room
-- Answers: 1, or 0 when the process does not hold the job (any more); then nothing was changed.
-- Uses: rooms, ending.
-- Guards J5 and J7.

local incarnation, shop, id, room = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local hold = let_go(incarnation, id)
if not hold then return 0 end
if ended_by_cancel(shop, id, hold) then return 1 end
park(room, shop, id)
return 1
