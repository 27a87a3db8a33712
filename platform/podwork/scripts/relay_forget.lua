-- relay_forget: forget that jobs of the outbox ended, after their rows were deleted.
-- ARGV: token, then ids
-- Answers: 1, or 0 when another relay has begun since; then nothing was changed.
-- Uses: noting.
-- Keys: ended, relay.
-- Guards that a job is stored once in its life: a relay that began since may have read such a row before it was
-- deleted, and only `ended` tells it that the job is not to come again. While a shop travels its rows may come yet, or
-- again: what was brought of `ended` stays, whatever a late relay has deleted.

if redis.call('GET', RELAY) ~= ARGV[1] then return 0 end
for k = 2, #ARGV do
  if not travels(shop_of(ARGV[k])) then redis.call('SREM', ENDED, ARGV[k]) end
end
return 1
