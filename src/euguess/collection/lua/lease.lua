-- Lease slots that are about to be published.
-- KEYS: leases. ARGV: duration in ms, then pairs of slot and fence.
-- A lease is "<fence> <expiry in ms>", followed by " begun" once a fetcher works on the slot.
-- Redis's own clock decides, so clock skew between hosts does not matter.
local time = redis.call('TIME')
local expiry = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for i = 2, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. ' ' .. expiry)
end
