-- Take the next call of a rate limit; return the microseconds to wait for it.
-- KEYS: limit. ARGV: interval between calls, tolerance for bursts, both in microseconds.
-- The key holds the time, in microseconds, at which the next call conforms.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
redis.call('SET', KEYS[1], string.format('%.0f', due + ARGV[1]), 'PX', 60000)
return math.max(0, due - now - ARGV[2])
