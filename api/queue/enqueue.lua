-- Accept images: add an entry to its stream and count it, or refuse it because a limit is reached, in one step.
--
-- `client`, `job`, `manifests`, `shard`, `chunk`, `manifest` and `accepted_before` may be ''. A limit of a client is 0
-- if it has none. `accepted_before` are the items of the job that earlier chunks have brought, and `items` those of
-- this one that could be read: an item is an image, or a number of several images.
-- Returns {'', images queued now, 0, id of the entry or ''}, or {name of the limit, its current value, ms until it may
-- pass or 0} if the entry is refused, or {'lost', 0, 0} if the job is over or gone, or Redis has lost chunks of it.
-- Nothing is stored then. XADD is the first write: a Redis that is out of memory refuses it, and nothing after it is
-- written.
local stream, queued, client, job, manifests = unpack(KEYS)
local shard, max_images, max_bytes, ttl_s, chunk, manifest, unreadable_images, accepted_before, max_client_images,
  client_images_per_s, items, images, bytes, header, pixels = unpack(ARGV)
local BURST_MS, FRESH_S = 1000, 60

images, bytes, ttl_s = tonumber(images), tonumber(bytes), tonumber(ttl_s)
max_client_images, client_images_per_s = tonumber(max_client_images), tonumber(client_images_per_s)

if job ~= '' then
  local known = redis.call('HMGET', job, 'accepted', 'finished_ms')
  if known[1] ~= accepted_before or known[2] then
    return {'lost', 0, 0}
  end
end

local now = redis.call('HMGET', queued, 'images', 'bytes')
local queued_images, queued_bytes = tonumber(now[1] or 0), tonumber(now[2] or 0)
local entry_id = ''

if images > 0 then
  if queued_images + images > tonumber(max_images) then
    return {'images', queued_images, 0}
  end
  if queued_bytes + bytes > tonumber(max_bytes) then
    return {'bytes', queued_bytes, 0}
  end
  local arrival_ms = 0
  if client ~= '' then
    local use = redis.call('HMGET', client, 'images', 'arrival_ms')
    if max_client_images > 0 and tonumber(use[1] or 0) + images > max_client_images then
      return {'client', tonumber(use[1] or 0), 0}
    end
    if client_images_per_s > 0 then -- GCRA with a burst of one second
      local time = redis.call('TIME')
      local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
      arrival_ms = math.max(now_ms, tonumber(use[2] or 0))
      if arrival_ms - now_ms > BURST_MS then
        return {'rate', client_images_per_s, arrival_ms - now_ms - BURST_MS}
      end
      arrival_ms = arrival_ms + images * 1000 / client_images_per_s
    end
  end
  entry_id = redis.call('XADD', stream, '*', 'h', header, 'x', pixels)
  queued_images = queued_images + images
  redis.call('HSET', queued, 'images', queued_images, 'bytes', queued_bytes + bytes)
  if shard ~= '' then
    redis.call('HINCRBY', queued, shard, images)
  end
  for _, key in ipairs({stream, queued}) do
    if redis.call('TTL', key) < ttl_s - FRESH_S then -- reading it costs less than setting it
      redis.call('EXPIRE', key, ttl_s)
    end
  end
  if client ~= '' then
    redis.call('HINCRBY', client, 'images', images)
    redis.call('HSET', client, 'arrival_ms', string.format('%.0f', arrival_ms), 'shard', shard)
    redis.call('EXPIRE', client, ttl_s)
  end
  if job ~= '' then
    redis.call('HSET', job, 'last_entry', entry_id, 'shard', shard ~= '' and shard or 0)
  end
end
if job ~= '' then
  redis.call('HINCRBY', job, 'accepted', items + unreadable_images)
end
if manifest ~= '' then
  redis.call('HSET', manifests, chunk, manifest)
  redis.call('EXPIRE', manifests, ttl_s)
  redis.call('HINCRBY', job, 'failed', unreadable_images)
end
return {'', queued_images, 0, entry_id}
