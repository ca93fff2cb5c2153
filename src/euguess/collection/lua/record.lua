-- Announce an outcome and end its lease, unless a higher fence holds it. The first final outcome
-- is kept. A lease that ends without one stays, expired, so that nobody begins its fence again.
-- KEYS: leases, outcomes, stream. ARGV: slot, fence, outcome, 1 if final, length of the stream.
local slot, fence, is_final = ARGV[1], ARGV[2], ARGV[4] == '1'
if is_final then
  redis.call('HSETNX', KEYS[2], slot, ARGV[3])
end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*', 'outcome', ARGV[3])
local held, holder = lease_of(slot)
if not held or held <= tonumber(fence) then
  if is_final then
    redis.call('HDEL', KEYS[1], slot)
  else
    local owner = held == tonumber(fence) and holder ~= '' and holder or 'ended'
    redis.call('HSET', KEYS[1], slot, fence .. ' 0 ' .. owner)
  end
end
