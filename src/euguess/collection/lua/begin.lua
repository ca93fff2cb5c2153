-- Begin work on slots, or renew their leases; return the slots that no higher fence holds.
-- KEYS: leases. ARGV: duration in ms, then pairs of slot and fence.
local time = redis.call('TIME')
local expiry = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
local begun = {}
for i = 2, #ARGV, 2 do
  local slot, fence = ARGV[i], ARGV[i + 1]
  local lease = redis.call('HGET', KEYS[1], slot)
  if not lease or tonumber(string.match(lease, '^%d+')) <= tonumber(fence) then
    redis.call('HSET', KEYS[1], slot, fence .. ' ' .. expiry .. ' begun')
    begun[#begun + 1] = slot
  end
end
return begun
