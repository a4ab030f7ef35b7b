-- Finish an entry of singles on its first attempt: does what finish.lua does, in fewer commands.
--
-- Returns 'late' to a later worker, and else 'written'. `client` and `channel` may be ''.
local stream, queued, result, client = unpack(KEYS)
local group, entry_id, images, bytes, block, ttl_s, open_ttl_s, channel, uid = unpack(ARGV)

if redis.call('XACK', stream, group, entry_id) == 0 then -- the fence, and a write that a full Redis accepts
  return 'late'
end
redis.call('XDEL', stream, entry_id)
-- A counter that is gone, for example after FLUSHALL, stays gone. A newer one that lacks this entry stays at 0.
local now = redis.call('HMGET', queued, 'images', 'bytes')
if now[1] then
  redis.call('HSET', queued, 'images', math.max(0, now[1] - images), 'bytes', math.max(0, (now[2] or 0) - bytes))
end
if client ~= '' then
  local held = redis.call('HGET', client, 'images')
  if held then
    redis.call('HSET', client, 'images', math.max(0, held - images))
  end
  redis.call('EXPIRE', client, open_ttl_s)
end
redis.call('SET', result, block, 'EX', ttl_s)
if channel ~= '' then
  redis.call('PUBLISH', channel, uid .. block)
end
return 'written'
