-- Announce an outcome and release its lease unless a higher fence holds it.
-- A final outcome is also kept; the first one wins.
-- KEYS: outcomes, stream, leases. ARGV: slot, fence, outcome, 1 if final, length of the stream.
if ARGV[4] == '1' then
  redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[3])
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'outcome', ARGV[3])
local lease = redis.call('HGET', KEYS[3], ARGV[1])
if lease and tonumber(string.match(lease, '^%d+')) <= tonumber(ARGV[2]) then
  redis.call('HDEL', KEYS[3], ARGV[1])
end
