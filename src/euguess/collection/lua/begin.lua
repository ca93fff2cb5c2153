-- Begin work on slots, or renew their leases; return the slots that the owner may work on.
-- A publication is begun by one owner only, even after its lease has expired.
-- ARGV: owner, duration in ms, then pairs of slot and fence.
local owner, expiry = ARGV[1], expiry_after(ARGV[2])
local begun = {}
for i = 3, #ARGV, 2 do
  local slot, fence = ARGV[i], ARGV[i + 1]
  local held, holder = lease_of(slot)
  local is_same = held == tonumber(fence) and (holder == '' or holder == owner)
  if not held or held < tonumber(fence) or is_same then
    redis.call('HSET', KEYS[1], slot, fence .. ' ' .. expiry .. ' ' .. owner)
    begun[#begun + 1] = slot
  end
end
return begun
