-- Take the training that has been due for longest: it is due again at the given time, unless somebody begins it.
--
-- KEYS  trainings that are due
-- ARGV  now, due again (unix ms)
-- Returns its id, or nil.
local id = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1)[1]
if id then
  redis.call('ZADD', KEYS[1], ARGV[2], id)
end
return id
