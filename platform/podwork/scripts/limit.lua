-- limit: set or remove limits; those who wait for one are let in as far as it now allows.
-- ARGV: source ('code' or 'operator'), then name, text for each; an empty text removes it
-- Answers: how many were changed. What an operator has set, code does not change.
-- Uses: slots.
-- Keys: granted, limits, passes:{limit}, rooms.

-- What was granted to a job that waits for its turn is nothing any more; what runs keeps its slot to its end.
local function forget_grants(name)
  local granted = redis.call('HGETALL', GRANTED)
  for k = 1, #granted, 2 do
    local id, kept = granted[k], {}
    for key in string.gmatch(granted[k + 1], '[^|]+') do
      if string.match(key, '^(%S+)') == name then redis.call('SREM', PASSES .. key, id) else kept[#kept + 1] = key end
    end
    if #kept > 0 then redis.call('HSET', GRANTED, id, table.concat(kept, '|')) else redis.call('HDEL', GRANTED, id) end
  end
end

local changed = 0
for k = 2, #ARGV, 2 do
  local name, text = ARGV[k], ARGV[k + 1]
  local before = redis.call('HGET', LIMITS, name)
  local theirs = before and string.match(before, '(%S+)$') == 'operator' and ARGV[1] == 'code'
  if not theirs and before ~= (text ~= '' and text) then
    if text == '' then
      redis.call('HDEL', LIMITS, name)
      forget_grants(name)
    else
      redis.call('HSET', LIMITS, name, text)
    end
    changed = changed + 1
    for _, room in ipairs(redis.call('HKEYS', ROOMS)) do
      local key = string.match(room, '^!limit:(.*)$')
      if key and string.match(key, '^(%S+)') == name then admit(key) end
    end
  end
end
return changed
