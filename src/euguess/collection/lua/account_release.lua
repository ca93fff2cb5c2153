-- Release a part of a reservation; do nothing if the account was reopened since.
-- ARGV: epoch of the reservation, then images and millionths of a dollar, both negative.
if account.is_open and account.epoch == ARGV[1] then
  redis.call('HINCRBY', KEYS[1], 'images', ARGV[2])
  redis.call('HINCRBY', KEYS[1], 'micros', ARGV[3])
end
