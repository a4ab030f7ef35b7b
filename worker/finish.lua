-- Finish an entry: the first to come writes its results, everyone later writes nothing. Returns 1 for the first, else 0.
--
-- KEYS  stream, queued counter, result (an entry of singles) or job, job blocks (or empty), callbacks
-- ARGV  group, entry id, images, block, TTL (s), reply channel or '', uid, chunk or '',
--       done, failed, expired (images), now (unix ms), jobs channel
--
-- XACK answers 1 exactly once for a delivered entry, whoever holds it by then, which makes it the fence.
local stream, queued, target, blocks = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, entry_id, images, block, ttl_s = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local channel, uid, chunk = ARGV[6], ARGV[7], ARGV[8]

if redis.call('XACK', stream, group, entry_id) == 0 then
  return 0
end
redis.call('XDEL', stream, entry_id)
redis.call('DECRBY', queued, images)

if chunk == '' then
  redis.call('SET', target, block, 'EX', ttl_s)
  if channel ~= '' then
    redis.call('PUBLISH', channel, uid .. block)
  end
  return 1
end

-- A cancelled job counted its unfinished images as cancelled; a job that is gone has nobody to tell.
local state = redis.call('HMGET', target, 'model', 'finished_ms')
if not state[1] or state[2] then
  return 1
end
if redis.call('HSETNX', blocks, chunk, block) == 0 then
  return 1
end
redis.call('EXPIRE', blocks, ttl_s)
redis.call('EXPIRE', target, ttl_s)
local finished = redis.call('HINCRBY', target, 'done', ARGV[9])
  + redis.call('HINCRBY', target, 'failed', ARGV[10])
  + redis.call('HINCRBY', target, 'expired', ARGV[11])
local total = redis.call('HGET', target, 'total')
if total and finished == tonumber(total) then
  redis.call('HSET', target, 'finished_ms', ARGV[12])
  redis.call('PUBLISH', ARGV[13], uid)
  if redis.call('HEXISTS', target, 'callback_url') == 1 then
    redis.call('ZADD', KEYS[5], ARGV[12], uid)
    redis.call('EXPIRE', KEYS[5], ttl_s)
  end
end
return 1
