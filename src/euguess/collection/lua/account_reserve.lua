-- Reserve an amount, all of it or nothing; return {'reserved', epoch} or the reason.
-- ARGV: images, millionths of a dollar.
if not account.is_open then
  return {'closed'}
end
if account.images_cap ~= '' and account.images + ARGV[1] > tonumber(account.images_cap) then
  return {'images', account.images_cap}
end
if account.micros_cap ~= '' and account.micros + ARGV[2] > tonumber(account.micros_cap) then
  return {'micros', account.micros_cap}
end
redis.call('HINCRBY', KEYS[1], 'images', ARGV[1])
redis.call('HINCRBY', KEYS[1], 'micros', ARGV[2])
return {'reserved', account.epoch}
