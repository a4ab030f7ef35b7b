-- Renew the lease of entries that this consumer still owns; one that was taken over stays with its new owner.
--
-- KEYS  stream
-- ARGV  group, consumer, entry id…
local renewed = 0
for index = 3, #ARGV do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[index], ARGV[index], 1)
  if pending[1] and pending[1][2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[index], 'JUSTID')
    renewed = renewed + 1
  end
end
return renewed
