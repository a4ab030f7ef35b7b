-- Accept images: put an entry on its stream and count it, or refuse it when a bound is reached, in one step.
--
-- KEYS  stream, queued, client or '', job or '', job manifests or ''
-- ARGV  images, bytes, shard or '', most queued images, most queued bytes, header, pixels, TTL (s),
--       chunk or '', manifest or '', unreadable images, the client's most queued images, and its images/s; 0: no limit
-- Returns {'', images queued now, 0} or {the bound that refuses it, what it stands at, ms until it may pass or 0}:
-- then nothing was stored. XADD comes first of what is written: a Redis without memory refuses it, and with it all.
local stream, queued, client = KEYS[1], KEYS[2], KEYS[3]
local images, bytes, shard, ttl_s = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[8]
local most_of_client, images_per_s = tonumber(ARGV[12]), tonumber(ARGV[13])
local BURST_MS = 1000

local now = redis.call('HMGET', queued, 'images', 'bytes')
local queued_images, queued_bytes = tonumber(now[1] or 0), tonumber(now[2] or 0)

if images > 0 then
  if queued_images + images > tonumber(ARGV[4]) then
    return {'images', queued_images, 0}
  end
  if queued_bytes + bytes > tonumber(ARGV[5]) then
    return {'bytes', queued_bytes, 0}
  end
  local arrival_ms = 0
  if client ~= '' then
    local use = redis.call('HMGET', client, 'images', 'arrival_ms')
    if most_of_client > 0 and tonumber(use[1] or 0) + images > most_of_client then
      return {'client', tonumber(use[1] or 0), 0}
    end
    if images_per_s > 0 then -- GCRA with a burst of a second
      local time = redis.call('TIME')
      local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
      arrival_ms = math.max(now_ms, tonumber(use[2] or 0))
      if arrival_ms - now_ms > BURST_MS then
        return {'rate', images_per_s, arrival_ms - now_ms - BURST_MS}
      end
      arrival_ms = arrival_ms + images * 1000 / images_per_s
    end
  end
  redis.call('XADD', stream, '*', 'h', ARGV[6], 'x', ARGV[7])
  queued_images = redis.call('HINCRBY', queued, 'images', images)
  redis.call('HINCRBY', queued, 'bytes', bytes)
  if shard ~= '' then
    redis.call('HINCRBY', queued, shard, images)
  end
  redis.call('EXPIRE', stream, ttl_s)
  redis.call('EXPIRE', queued, ttl_s)
  if client ~= '' then
    redis.call('HINCRBY', client, 'images', images)
    redis.call('HSET', client, 'arrival_ms', string.format('%.0f', arrival_ms), 'shard', shard)
    redis.call('EXPIRE', client, ttl_s)
  end
end
if ARGV[10] ~= '' then
  redis.call('HSET', KEYS[5], ARGV[9], ARGV[10])
  redis.call('EXPIRE', KEYS[5], ttl_s)
  redis.call('HINCRBY', KEYS[4], 'failed', ARGV[11])
end
return {'', queued_images, 0}
