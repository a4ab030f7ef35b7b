-- Accept a training, unless as many as there may be are not final yet.
--
-- KEYS  trainings that are due, the training's hash, the trainings of its model
-- ARGV  most that are not final, most of a model that are listed, time to live (s), now (unix ms), id, then the hash's
--       fields and values
-- Returns 1, or 0 when there are as many as there may be.
local due, training, listed = KEYS[1], KEYS[2], KEYS[3]
local ttl_s, now, id = ARGV[3], ARGV[4], ARGV[5]

redis.call('ZREMRANGEBYSCORE', due, '-inf', now - ttl_s * 1000) -- nothing was heard of them for so long: they are gone
if redis.call('ZCARD', due) >= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', training, unpack(ARGV, 6))
redis.call('EXPIRE', training, ttl_s)
redis.call('ZADD', due, now, id)
redis.call('EXPIRE', due, ttl_s)
redis.call('ZADD', listed, now, id)
redis.call('ZREMRANGEBYRANK', listed, 0, -(ARGV[2] + 1))
redis.call('EXPIRE', listed, ttl_s)
return 1
