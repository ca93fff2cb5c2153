-- Take or renew the lead of the samplers; return {the sampler that leads, the one that led before}.
-- KEYS: lead. ARGV: sampler, duration in ms.
-- The value is "<sampler> <expiry in ms>". It outlives its expiry, so that a sampler that was away
-- learns whether another one has led since. Redis's own clock decides.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local leader, expiry = string.match(redis.call('GET', KEYS[1]) or '', '^(%S+) (%d+)$')
if leader and leader ~= ARGV[1] and tonumber(expiry) > now then
  return {leader, leader}
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. now + ARGV[2])
return {ARGV[1], leader or ''}
