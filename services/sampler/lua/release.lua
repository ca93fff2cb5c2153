-- Give up the lead, so that another sampler need not wait for its expiry.
-- KEYS: lead. ARGV: sampler.
if string.match(redis.call('GET', KEYS[1]) or '', '^%S+') == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1] .. ' 0')
end
