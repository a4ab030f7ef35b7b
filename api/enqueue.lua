-- Accept images: put an entry on its stream and count it, or refuse it when the lane is full, in one step.
--
-- KEYS  stream, queued counter, job or '', job manifests or ''
-- ARGV  images, most queued images, header, pixels, TTL (s), chunk or '', manifest or '', unreadable images
-- Returns {1, images queued now} or {0, images queued now} when refused: then nothing was stored.
local images, most, ttl_s = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[5]
local queued = tonumber(redis.call('GET', KEYS[2]) or '0')

if images > 0 then
  if queued + images > most then
    return {0, queued}
  end
  redis.call('XADD', KEYS[1], '*', 'h', ARGV[3], 'x', ARGV[4])
  queued = redis.call('INCRBY', KEYS[2], images)
  redis.call('EXPIRE', KEYS[1], ttl_s)
  redis.call('EXPIRE', KEYS[2], ttl_s)
end
if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[4], ARGV[6], ARGV[7])
  redis.call('EXPIRE', KEYS[4], ttl_s)
  redis.call('HINCRBY', KEYS[3], 'failed', ARGV[8])
end
return {1, queued}
