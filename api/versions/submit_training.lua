-- Accept a training, unless `max_open` trainings are not final yet.
--
-- `due` is the set of trainings that are due, `training` the hash of this one, `listed` the trainings of its model.
-- `now_ms` is unix time. A training is kept for `open_ttl_s` until it is final. The fields and values of the hash follow the arguments.
-- Returns 1, or 0 if the training is refused.
local due, training, listed = unpack(KEYS)
local max_open, max_listed, open_ttl_s, now_ms, id = unpack(ARGV, 1, 5)

redis.call('ZREMRANGEBYSCORE', due, '-inf', now_ms - open_ttl_s * 1000) -- trainings that have expired
if redis.call('ZCARD', due) >= tonumber(max_open) then
  return 0
end
redis.call('HSET', training, unpack(ARGV, 6))
redis.call('EXPIRE', training, open_ttl_s)
redis.call('ZADD', due, now_ms, id)
redis.call('EXPIRE', due, open_ttl_s)
redis.call('ZADD', listed, now_ms, id)
redis.call('ZREMRANGEBYRANK', listed, 0, -(max_listed + 1))
redis.call('EXPIRE', listed, open_ttl_s)
return 1
