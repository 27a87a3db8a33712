-- claim: take up to `want` jobs under the process's lease, queue by queue in the given order.
-- ARGV: incarnation, want, queue ...
-- Answers: false when the incarnation has no lease (any more); otherwise {shop, id, record, ...}.
-- Keys: processes (read), gate (read), ring|outside:{queue}, lane:{queue}:{shop}, jobs:{shop} (read),
--       held:{incarnation}, sizes, wake:{queue}.
-- Guards J3 (a lane whose gate is not open leaves the ring), J4 (each shop of the ring has its turn: `want`
-- is shared evenly among the shops that stand in the ring), J5 (no lease, no claim).

local incarnation, want = ARGV[1], tonumber(ARGV[2])
if not has_lease(incarnation) then return false end

local out, held, got, now = {}, {}, 0, now_ms()

local function take(queue, shop, quota)
  local lane = LANE .. queue .. ':' .. shop
  local ids = redis.call('LPOP', lane, quota)
  if not ids then return 0, false end
  local records, taken = redis.call('HMGET', JOBS .. shop, unpack(ids)), 0
  for k, id in ipairs(ids) do
    if records[k] then -- a cancelled job left its id behind
      taken = taken + 1
      held[#held + 1], held[#held + 2] = id, now
      out[#out + 1], out[#out + 2], out[#out + 3] = shop, id, records[k]
    end
  end
  return taken, #ids == quota and redis.call('EXISTS', lane) == 1
end

for q = 3, #ARGV do
  local queue, before = ARGV[q], got
  local ring = RING .. queue
  while got < want do
    local shops = redis.call('LPOP', ring, want - got)
    if not shops then break end
    local gates, back = redis.call('HMGET', GATE, unpack(shops)), {}
    for k, shop in ipairs(shops) do
      if gates[k] and string.sub(gates[k], 1, 5) ~= 'open ' then
        redis.call('SADD', OUTSIDE .. queue, shop)
      else
        local quota = math.max(1, math.floor((want - got) / (#shops - k + 1)))
        local taken, more = take(queue, shop, quota)
        got = got + taken
        if more then back[#back + 1] = shop end
      end
    end
    if #back > 0 then redis.call('RPUSH', ring, unpack(back)) end
  end
  if got > before then redis.call('HINCRBY', SIZES, queue, before - got) end
  if got >= want then
    if redis.call('EXISTS', ring) == 1 then wake(queue) end
    break
  end
end

if #held > 0 then redis.call('HSET', HELD .. incarnation, unpack(held)) end
return out
