-- Begin work on slots, or renew their leases; return the slots that the owner may work on.
-- A publication is begun by one owner only, even after its lease has expired. A slot without a
-- lease has ended, or Redis has lost the lease.
-- KEYS: leases, outcomes. ARGV: owner, duration in ms, then pairs of slot and fence.
local owner, expiry = ARGV[1], expiry_after(ARGV[2])

local function may_begin(slot, fence)
  local held, holder = lease_of(slot)
  if not held then
    return redis.call('HEXISTS', KEYS[2], slot) == 0
  end
  return held < fence or held == fence and (holder == '' or holder == owner)
end

local begun = {}
for i = 3, #ARGV, 2 do
  local slot, fence = ARGV[i], ARGV[i + 1]
  if may_begin(slot, tonumber(fence)) then
    redis.call('HSET', KEYS[1], slot, fence .. ' ' .. expiry .. ' ' .. owner)
    begun[#begun + 1] = slot
  end
end
return begun
