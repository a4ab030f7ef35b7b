-- Claim the training that has been due for the longest time. It is due again after `wait_ms`, unless it is begun.
--
-- Times are by Redis's clock. Returns the id of the training, or nil.
local due = unpack(KEYS)
local wait_ms = unpack(ARGV)

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local id = redis.call('ZRANGEBYSCORE', due, '-inf', string.format('%.0f', now_ms), 'LIMIT', 0, 1)[1]
if id then
  redis.call('ZADD', due, string.format('%.0f', now_ms + wait_ms), id)
end
return id
