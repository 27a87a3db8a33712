-- push_locked: accept a job that is unique, or that was sent with an idempotency key.
-- ARGV: queue, shop, epoch, due (ms, 0: now), id, record, then for each lock: digest, period (ms, 0: as long as the
--       job), conflict ('drop', 'replace', 'reschedule', 'join')
-- Answers: {'accepted', id}, {'kept', id of the job that has the lock}, {'replaced', id of the job that has the new
--          content}, {'after', id}: it runs once the present one has ended; or {'HOLD'}, {'MOVED', pod, epoch}.
-- Uses: gates, storing.
-- Guards J3, and that two jobs of one lock never wait at the same time.

local queue, shop, epoch, due, id, record = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6]
local refusal = refusal_of(shop, epoch)
if refusal then return refusal end
local locks = {}
for k = 7, #ARGV, 3 do locks[#locks + 1] = { ARGV[k], tonumber(ARGV[k + 1]), ARGV[k + 2] } end
return store_locked(queue, shop, due, id, record, locks)
