-- Claim the training that has been due for the longest time. It is due again at `due_again_ms`, unless it is begun.
--
-- Times are unix time. Returns the id of the training, or nil.
local due = unpack(KEYS)
local now_ms, due_again_ms = unpack(ARGV)

local id = redis.call('ZRANGEBYSCORE', due, '-inf', now_ms, 'LIMIT', 0, 1)[1]
if id then
  redis.call('ZADD', due, due_again_ms, id)
end
return id
