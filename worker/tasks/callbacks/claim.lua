-- Take callbacks that are due: each is due again at the end of its lease, unless it is settled before.
--
-- KEYS  callbacks
-- ARGV  now, end of the lease (unix ms), most ids
-- Returns the ids of their jobs, the longest due first.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, id in ipairs(due) do
  redis.call('ZADD', KEYS[1], ARGV[2], id)
end
return due
