-- holders: say which jobs of a shop are held, and by whom; changes nothing.
-- ARGV: shop
-- Answers: {id, incarnation, record or ''} each.
-- Uses: travelling.
-- Keys: jobs:{shop}.
-- Costs what all processes hold, which is bounded for each; not what is queued.

local answer = {}
for k, holder in ipairs(holders_of(ARGV[1])) do
  answer[k] = { holder[1], holder[2], redis.call('HGET', JOBS .. ARGV[1], holder[1]) or '' }
end
return answer
