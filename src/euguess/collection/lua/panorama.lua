-- Reserve a panorama for a slot; return 1 if the slot has it.
-- A slot that has ended without the panorama's location passes it on.
-- KEYS: panoramas, outcomes. ARGV: location, slot.
local holder = redis.call('HGET', KEYS[1], ARGV[1])
if holder and holder ~= ARGV[2] then
  local text = redis.call('HGET', KEYS[2], holder)
  local is_read, outcome = pcall(cjson.decode, text or '')
  if not is_read or type(outcome) ~= 'table' or outcome.location_id == ARGV[1] then
    return 0
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
