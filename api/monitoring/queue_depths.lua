-- Measure one lane. The entries themselves, up to about 200 kB each, stay in Redis.
--
-- The streams of the lane follow `queued`.
-- Returns {images, bytes, ms that the oldest entry has been on its stream}
local queued = unpack(KEYS, 1, 1)

local counts = redis.call('HMGET', queued, 'images', 'bytes')
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest_ms = now_ms
for index = 2, #KEYS do
  local first = redis.call('XRANGE', KEYS[index], '-', '+', 'COUNT', 1)[1]
  if first then
    oldest_ms = math.min(oldest_ms, tonumber(string.match(first[1], '^%d+')))
  end
end
return {math.max(0, tonumber(counts[1] or 0)), math.max(0, tonumber(counts[2] or 0)), now_ms - oldest_ms}
