-- Read leases; the first part of each of the lease scripts. KEYS: leases.
-- A lease is "<fence> <expiry in ms>", followed by " <owner>" once a fetcher has begun the slot.
-- Redis's own clock decides, so clock skew between hosts does not matter.
local function lease_of(slot)
  local fence, owner = string.match(redis.call('HGET', KEYS[1], slot) or '', '^(%d+) %S+ ?(%S*)$')
  return tonumber(fence), owner
end

local function expiry_after(ms)
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000) + ms
end
