-- Renew the leases of entries that this consumer still owns. An entry that was taken over stays with its new owner.
--
-- The ids of the entries follow the arguments. Returns how many leases were renewed.
local stream = unpack(KEYS)
local group, consumer = unpack(ARGV, 1, 2)

local renewed = 0
for index = 3, #ARGV do
  local pending = redis.call('XPENDING', stream, group, ARGV[index], ARGV[index], 1)
  if pending[1] and pending[1][2] == consumer then
    redis.call('XCLAIM', stream, group, consumer, 0, ARGV[index], 'JUSTID')
    renewed = renewed + 1
  end
end
return renewed
