-- unpark: queue again what was parked for lack of a worker that knows its class.
-- ARGV: limit, then class, version for what the calling process knows (that version and those before it)
-- Answers: how many jobs entered their lanes.
-- Uses: rooms.
-- Keys: rooms.

local limit, moved, known = tonumber(ARGV[1]), 0, {}
for k = 2, #ARGV, 2 do known[ARGV[k]] = tonumber(ARGV[k + 1]) end
for _, room in ipairs(redis.call('HKEYS', ROOMS)) do
  local class, version = string.match(room, '^!unknown:(.*)@(%d+)$')
  if class and moved < limit and (known[class] or 0) >= tonumber(version) then
    moved = moved + empty(room, limit - moved)
  end
end
return moved
