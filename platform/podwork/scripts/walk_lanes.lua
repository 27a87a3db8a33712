-- walk_lanes: read the jobs of a queue or a room, shop by shop, from a place on; changes nothing.
-- ARGV: queue or room, want (ids in all), each (ids of one lane, 0: all), id and index in the first lane behind which
--       it goes on ('' and 0: at its head), then shops
-- Answers: {shop, index, id, record or false, ...}; fewer than `want` mean that these lanes are read. An id without
--          a record, or of a job that has left the room, is listed too: one can go on behind it.
-- Keys: jobs:{shop}, lane:{queue}:{shop}, parked.
-- Guards that a job that stays in its lane is met: lanes lose ids at the head and get new ones at both ends, so the
-- place is where the id is now. If it is gone, so is what stood before it, and the lane begins at its head.

local NEAR = 1000
local queue, want, each = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local is_room = string.sub(queue, 1, 1) == '!'
local answer, got = {}, 0

local function behind(lane, id, index)
  if id == '' then return 0 end
  local low = math.max(0, index - NEAR)
  for k, found in ipairs(redis.call('LRANGE', lane, low, index + NEAR)) do
    if found == id then return low + k end
  end
  local at = redis.call('LPOS', lane, id)
  return at and at + 1 or 0
end

for k = 6, #ARGV do
  local shop, from = ARGV[k], 0
  local lane = LANE .. queue .. ':' .. shop
  if k == 6 then from = behind(lane, ARGV[4], tonumber(ARGV[5])) end
  local quota = each > 0 and math.min(each - from, want - got) or want - got
  local ids = quota > 0 and redis.call('LRANGE', lane, from, from + quota - 1) or {}
  for n, id in ipairs(ids) do
    local record = redis.call('HGET', JOBS .. shop, id)
    if is_room and redis.call('HGET', PARKED, id) ~= queue then record = false end
    got = got + 1
    answer[4 * got - 3], answer[4 * got - 2], answer[4 * got - 1], answer[4 * got] = shop, from + n - 1, id, record
  end
  if got >= want then break end
end
return answer
