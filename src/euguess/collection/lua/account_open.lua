-- Open a prepared account; return 0 if it was prepared again or lost in the meantime.
-- ARGV: epoch, images, millionths of a dollar, images cap, millionths cap.
if redis.call('HGET', KEYS[1], 'preparing') ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'run', run, 'images', ARGV[2],
  'micros', ARGV[3], 'images_cap', ARGV[4], 'micros_cap', ARGV[5])
return 1
