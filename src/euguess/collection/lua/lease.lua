-- Lease slots that are about to be published. ARGV: duration in ms, then pairs of slot and fence.
local expiry = expiry_after(ARGV[1])
for i = 2, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. ' ' .. expiry)
end
