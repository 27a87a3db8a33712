-- manifest: count some of a shop's jobs and locks by their state, with a digest for each; changes nothing.
-- ARGV: shop, time (ms) up to which what is due, or runs out, counts as if it were so now, then ids and 'lock {digest}'
-- Answers: {state, how many, three parts of a digest over ids, times and records, ...}; the same on both pods if and only
--          if they have the same of these.
-- Uses: travelling.
-- Keys: jobs:{shop}, locks:{shop}.
-- The digest is a sum modulo 2^48 of parts of SHA-1: it does not ask for an order.

local shop, soon, states, answer = ARGV[1], tonumber(ARGV[2]), {}, {}
local PARTS, MODULUS = { 1, 13, 25 }, 281474976710656

local function count(state, text)
  local sum, hex = states[state] or { 0, 0, 0, 0 }, redis.sha1hex(text)
  states[state], sum[1] = sum, sum[1] + 1
  for k, from in ipairs(PARTS) do sum[k + 1] = (sum[k + 1] + tonumber(string.sub(hex, from, from + 11), 16)) % MODULUS end
end

for k = 3, #ARGV do
  local id, digest = ARGV[k], string.match(ARGV[k], '^lock (.+)$')
  local found = digest and redis.call('HGET', LOCKS .. shop, digest) or not digest and redis.call('HGET', JOBS .. shop, id)
  if digest then
    local till = tonumber(string.match(found or '', ' (%d+)$'))
    if till and (till == 0 or till > soon) then count('locks', id .. ' ' .. found) end
  elseif not found then
    count('gone', id)
  else
    local place, time = stand_of(id)
    if place == 'scheduled' and tonumber(time) <= soon then place, time = 'ready', '' end
    count(place, id .. ' ' .. time .. ' ' .. found)
  end
end
for state, sum in pairs(states) do
  answer[#answer + 1] = state
  for _, part in ipairs(sum) do answer[#answer + 1] = string.format('%.0f', part) end
end
return answer
