-- judging: what becomes of a job whose process died while it held the job.
-- Uses: ending.

-- Its fate, and its record with the reclaim counted. `started`: it surely ran. `how`: what its process did ('was killed
-- by SIGSEGV'), '' if nobody knows.
local function judge(record, hold, started, how, poison, window)
  local extras, queue, due, attempts, interruptions, reclaims, since, payload, error = parts_of(record)
  if not extras then return 'queued', record end
  local now = now_ms()
  reclaims, since = tonumber(reclaims), tonumber(since)
  if now - since > window then reclaims, since = 0, now end
  -- The first time anything held is under suspicion; after that only what was really started (start.lua),
  -- so that jobs which merely waited in dying processes are never buried.
  if reclaims == 0 or started or has_flag(hold, 'S') then reclaims = reclaims + 1 end
  local fate = 'queued'
  if how ~= '' then error = 'its process ' .. how end
  if has_flag(hold, 'O') then
    fate, error = 'buried', 'its process ' .. (how ~= '' and how or 'died') .. ' while it ran, and it may run at most once'
  elseif reclaims >= poison and not string.find(',' .. extras, ',i:', 1, true) then
    -- An iteration job (extra `i`) that goes on where it was is no poison; the item at which it dies is found by itself.
    fate, error = 'buried', 'poison pill: ' .. reclaims .. ' processes died running it' .. (how ~= '' and '; the last one ' .. how or '')
  end
  record = string.format('%s %s %s %s %s %d %.0f %s', extras, queue, due, attempts, interruptions, reclaims, since, payload)
  if error ~= '' then record = record .. '\n' .. error end
  return fate, record
end
