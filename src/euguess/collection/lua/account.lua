-- Read the account of a dataset; the first part of each of the account scripts.
-- KEYS: account. No cap is an empty string. An account is open only on the server process that it
-- was opened on: a restarted one may have lost its last second.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local fields = redis.call(
  'HMGET', KEYS[1], 'epoch', 'run', 'images', 'micros', 'images_cap', 'micros_cap')
local account = {
  epoch = fields[1],
  images = fields[3],
  micros = fields[4],
  images_cap = fields[5],
  micros_cap = fields[6],
  is_open = fields[1] and fields[2] == run,
}
