-- walk_sorted: read the jobs of the schedule (first due first) or of the dead set (last buried first), from a place
-- on; changes nothing.
-- ARGV: 'schedule' or 'dead', want, id and time (ms) behind which it goes on ('' and 0: at the beginning), shop or ''
-- Answers: {time (ms), id, record or false, ...}; the record is false for a job of another shop as well.
-- Keys: dead, jobs:{shop}, schedule.
-- Guards that every job that stays is met once, also among thousands of one time: the place is a rank, found anew.

local key, backwards = ARGV[1] == 'dead' and DEAD or SCHEDULE, ARGV[1] == 'dead'
local want, anchor, time, only = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[5]

local function range(first, last)
  if backwards then return redis.call('ZRANGE', key, first, last, 'REV', 'WITHSCORES') end
  return redis.call('ZRANGE', key, first, last, 'WITHSCORES')
end

local function is_behind(rank)
  local id, score = unpack(range(rank, rank))
  score = tonumber(score)
  if score ~= time then return (score > time) ~= backwards end
  return (id > anchor) ~= backwards
end

-- The rank of the first job behind the place; by halves, as the job that stood there may be gone.
local function rank_behind()
  if anchor == '' then return 0 end
  local rank = redis.call(backwards and 'ZREVRANK' or 'ZRANK', key, anchor)
  if rank then return rank + 1 end
  local low, high = 0, redis.call('ZCARD', key)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_behind(middle) then high = middle else low = middle + 1 end
  end
  return low
end

local from, answer = rank_behind(), {}
local found = range(from, from + want - 1)
for k = 1, #found, 2 do
  local shop = shop_of(found[k])
  local record = (only == '' or only == shop) and redis.call('HGET', JOBS .. (shop or ''), found[k])
  answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = found[k + 1], found[k], record
end
return answer
