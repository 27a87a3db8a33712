-- gates: what the shop's gate says to a push. (Guards J3.)
-- Keys: gate.

-- Nil when the push is accepted; else {'HOLD'} or {'MOVED', pod, epoch}. One that is accepted while jobs are paused has
-- to be noted (parts/noting.lua).
local function refusal_of(shop, epoch)
  if shop == 'pod' then return nil end
  local state, gate_epoch, pod = gate_of(shop)
  if state == 'hold' then return { 'HOLD' } end
  if epoch > gate_epoch then
    -- The pusher knows a later epoch than the gate: fine if open, otherwise the gate is about to follow.
    if state == 'open' then return nil end
    return { 'HOLD' }
  end
  if state == 'moved' then return { 'MOVED', pod, gate_epoch } end
  if epoch < gate_epoch then return { 'MOVED', pod, gate_epoch } end
  return nil
end
