-- outbox: the row of the shard's outbox that hangs on a job. It ends when the job does, and a relay deletes it then.
-- Uses: noting.
-- Keys: carried, ended.

-- The row that hangs on a job, by the job's id under which it was written: its own, or that of a job whose content it
-- took over. Nil: none does.
local function row_of(id, record)
  local row = string.match(',' .. (string.match(record, '^%S+') or ''), ',o:([^,]+)')
  return row == '1' and id or row
end

local function end_row(row)
  redis.call('SADD', ENDED, row)
  redis.call('HDEL', CARRIED, row)
  note(shop_of(row), 'ended ' .. row)
end

-- The job `owner` gets the content of the new job `id`: the row behind its old content ends, and the new one's hangs on
-- it from now on, so that neither is pushed again. Answers the record to store.
local function carry(owner, before, id, record)
  local old, new = row_of(owner, before), row_of(id, record)
  if old then end_row(old) end
  if not new then return record end
  redis.call('HSET', CARRIED, new, owner)
  local extras, rest = string.match(record, '^(%S+)(.*)$')
  return string.sub(string.gsub(',' .. extras, ',o:[^,]+', ',o:' .. new), 2) .. rest
end
