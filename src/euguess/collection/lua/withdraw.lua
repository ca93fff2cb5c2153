-- Outdate leases that no fetcher has begun; return the slots of these.
-- ARGV: pairs of slot and a fence above that of its lease.
local withdrawn = {}
for i = 1, #ARGV, 2 do
  local slot, fence = ARGV[i], ARGV[i + 1]
  local held, holder = lease_of(slot)
  if held and held < tonumber(fence) and holder == '' then
    redis.call('HSET', KEYS[1], slot, fence .. ' 0')
    withdrawn[#withdrawn + 1] = slot
  end
end
return withdrawn
