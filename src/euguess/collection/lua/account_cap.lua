-- Change the caps of an account that has been opened. ARGV: images cap, millionths cap.
if account.epoch then
  redis.call('HSET', KEYS[1], 'images_cap', ARGV[1], 'micros_cap', ARGV[2])
end
