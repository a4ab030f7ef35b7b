-- Finish an entry: the first to come writes its results, everyone later writes nothing.
--
-- Returns 'late' for everyone later, 'cancelled' or 'expired' where the first found its job to be over, else 'written';
-- to the first whose entry was the last of a job, the job's done, failed and expired images, and when it began (unix ms).
--
-- KEYS  stream, queued, client or '', result (an entry of singles) or job, job blocks or '', suspect or '', dead letters,
--       callbacks, layers (of a verbose entry) or '', the list of the layers kept
-- ARGV  group, entry id, images, bytes, shard or '', block, TTL (s), reply channel or '', uid, chunk or '',
--       done, failed, expired (images), now (unix ms), jobs channel, most dead letters, their TTL (s),
--       layers blob or '', its TTL (s), most layers kept, then header and pixels of each image that is set aside
--
-- XACK answers 1 exactly once for a delivered entry, whoever holds it by then, which makes it the fence. It is also a
-- write that a Redis without memory lets through, and with it all that follows: results are written until the end.
local stream, queued, client, target, blocks = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local group, entry_id, images, bytes, shard, block, ttl_s = unpack(ARGV, 1, 7)
local channel, uid, chunk = ARGV[8], ARGV[9], ARGV[10]

if redis.call('XACK', stream, group, entry_id) == 0 then
  return 'late'
end
redis.call('XDEL', stream, entry_id)
redis.call('HINCRBY', queued, 'images', -images)
redis.call('HINCRBY', queued, 'bytes', -bytes)
if shard ~= '' then
  redis.call('HINCRBY', queued, shard, -images)
end
if client ~= '' then
  redis.call('HINCRBY', client, 'images', -images)
  redis.call('EXPIRE', client, ttl_s)
end
if KEYS[6] ~= '' then
  redis.call('DEL', KEYS[6])
end
for letter = 21, #ARGV, 2 do
  redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[16], '*', 'h', ARGV[letter], 'x', ARGV[letter + 1])
  redis.call('EXPIRE', KEYS[7], ARGV[17])
end

if KEYS[9] ~= '' then -- before whoever waits is woken
  redis.call('SET', KEYS[9], ARGV[18], 'EX', ARGV[19])
  if redis.call('RPUSH', KEYS[10], KEYS[9]) > tonumber(ARGV[20]) then
    redis.call('DEL', redis.call('LPOP', KEYS[10]))
  end
  redis.call('EXPIRE', KEYS[10], ARGV[19])
end

if chunk == '' then
  redis.call('SET', target, block, 'EX', ttl_s)
  if channel ~= '' then
    redis.call('PUBLISH', channel, uid .. block)
  end
  return 'written'
end

-- A cancelled job counted its unfinished images as cancelled; a job that is gone has nobody to tell.
local state = redis.call('HMGET', target, 'model', 'finished_ms', 'cancelled')
if not state[1] or state[2] then
  return state[2] and not state[3] and 'expired' or 'cancelled'
end
if redis.call('HSETNX', blocks, chunk, block) == 0 then
  return 'late'
end
redis.call('EXPIRE', blocks, ttl_s)
redis.call('EXPIRE', target, ttl_s)
local finished = redis.call('HINCRBY', target, 'done', ARGV[11])
  + redis.call('HINCRBY', target, 'failed', ARGV[12])
  + redis.call('HINCRBY', target, 'expired', ARGV[13])
local total = redis.call('HGET', target, 'total')
if total and finished == tonumber(total) then
  redis.call('HSET', target, 'finished_ms', ARGV[14])
  redis.call('PUBLISH', ARGV[15], uid)
  if redis.call('HEXISTS', target, 'callback_url') == 1 then
    redis.call('ZADD', KEYS[8], ARGV[14], uid)
    redis.call('EXPIRE', KEYS[8], ttl_s)
  end
  return redis.call('HMGET', target, 'done', 'failed', 'expired', 'created_ms')
end
return 'written'
