-- policies: what holds and limits say to a job whose turn has come.
-- Uses: slots.
-- Keys: alarms, granted, holds, limits, passes:{limit}, rooms.

local function fits(policy, queue, class, shop)
  return (policy.queue == '*' or policy.queue == queue) and (policy.class == '*' or policy.class == class)
    and (policy.shop == '*' or policy.shop == 'each' or policy.shop == shop)
end

-- All holds that are in force, sorted by what they stop: everything, a queue, lanes, or single jobs.
local function read_holds(now)
  local holds = { queues = {}, lanes = {}, jobs = {} }
  local flat = redis.call('HGETALL', HOLDS)
  for k = 1, #flat, 2 do
    local till, queue, class, shop = string.match(flat[k + 1], '^(%d+) (%S+) (%S+) (%S+)')
    if till == '0' or tonumber(till) > now then
      local hold = { name = flat[k], queue = queue, class = class, shop = shop }
      if class ~= '*' then
        holds.jobs[#holds.jobs + 1] = hold
      elseif shop ~= '*' then
        holds.lanes[#holds.lanes + 1] = hold
      elseif queue ~= '*' then
        holds.queues[queue] = true
      else
        holds.all = true
      end
    end
  end
  return holds
end

-- How narrow a limit is: a shop is narrower than a class, a class than a queue.
local function breadth(limit)
  return (limit.shop == '*' and 4 or 0) + (limit.class == '*' and 2 or 0) + (limit.queue == '*' and 1 or 0)
end

-- All limits, in the one order in which every job takes its slots.
local function read_limits()
  local limits, flat = {}, redis.call('HGETALL', LIMITS)
  for k = 1, #flat, 2 do limits[#limits + 1] = read_limit(flat[k], flat[k + 1]) end
  table.sort(limits, function(one, other)
    if breadth(one) ~= breadth(other) then return breadth(one) < breadth(other) end
    return one.name < other.name
  end)
  return limits
end

-- Take one slot for a job, unless it has it: from what is free, if nobody waits. Answers whether it has it now.
local function take_slot(limit, key, id, has, now)
  if has[key] then return true end
  local free, when = is_free(limit, key, now)
  if not free or redis.call('HEXISTS', ROOMS, '!limit:' .. key) == 1 then
    if when then redis.call('ZADD', ALARMS, when, 'limit:' .. key) end
    return false
  end
  if limit.kind ~= 'concurrency' then spend(limit, key, now) end
  grant(key, id)
  return true
end

-- The room in which a job has to wait, or nil and the slots that it has, joined by '|'. What a job has that a hold
-- stops goes back into `freed`, for when the rings are in order.
local function room_of(queue, shop, id, record, holds, limits, now, freed)
  local class = string.match(record, '{"class":"([^"]+)"') or ''
  for _, hold in ipairs(holds.jobs) do
    if fits(hold, queue, class, shop) then
      freed[#freed + 1] = id
      return '!hold:' .. hold.name
    end
  end
  local mine, has = {}, nil
  for _, limit in ipairs(limits) do
    if fits(limit, queue, class, shop) then
      local key = limit.shop == 'each' and limit.name .. ' ' .. shop or limit.name
      if not has then
        has = {}
        for granted in string.gmatch(redis.call('HGET', GRANTED, id) or '', '[^|]+') do has[granted] = true end
      end
      if not take_slot(limit, key, id, has, now) then return '!limit:' .. key end
      has[key] = nil
      mine[#mine + 1] = { limit, key }
    end
  end
  if not has then return nil, '' end
  local others = {} -- of limits that are not for it any more: it was moved to another queue
  for key in pairs(has) do others[#others + 1] = key end
  if #others > 0 then
    redis.call('HSET', GRANTED, id, table.concat(others, '|'))
    freed[#freed + 1] = id
  else
    redis.call('HDEL', GRANTED, id)
  end
  local slots = {}
  for _, one in ipairs(mine) do
    if one[1].kind == 'concurrency' then
      slots[#slots + 1] = one[2]
    else
      redis.call('SREM', PASSES .. one[2], id) -- a token is spent by the start
    end
  end
  return nil, table.concat(slots, '|')
end
