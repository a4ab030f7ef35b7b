-- Complete the upload of a job, cancel a job, or let it expire. A job that waits for no more images becomes final.
--
-- `claim` is the key of an Idempotency-Key's claim, or ''. `action` is 'complete', 'cancel' or 'expire'.
-- `uploaded_images` and `fingerprint` are '' unless the action is 'complete'. `now_ms` is unix time.
-- Returns 2 if this call made the job final, 1 if the job was final before, 0 if the job waits for more images,
-- and -1 if there is no such job.
local job, deadlines, claim, callbacks = unpack(KEYS)
local action, uploaded_images, now_ms, jobs_channel, id, fingerprint = unpack(ARGV)

-- ZREM is the first write, because a Redis that is out of memory accepts it, and then accepts the writes after it.
redis.call('ZREM', deadlines, id)
if redis.call('EXISTS', job) == 0 then
  return -1
end
local fields = redis.call('HMGET', job, 'done', 'failed', 'expired', 'total', 'finished_ms', 'deadline_ms')
if fields[5] then
  return 1
end
local finished = tonumber(fields[1]) + tonumber(fields[2]) + tonumber(fields[3])
local total = tonumber(uploaded_images ~= '' and uploaded_images or fields[4] or finished)
redis.call('HSET', job, 'total', total)
if action == 'complete' and claim ~= '' then
  redis.call('HSET', claim, 'fingerprint', fingerprint)
  redis.call('EXPIRE', claim, redis.call('TTL', job))
end
if action == 'cancel' then
  redis.call('HSET', job, 'cancelled', total - finished)
elseif action == 'expire' then
  redis.call('HINCRBY', job, 'expired', total - finished)
elseif finished < total then
  if fields[6] then
    redis.call('ZADD', deadlines, fields[6], id)
  end
  return 0
end
redis.call('HSET', job, 'finished_ms', now_ms)
redis.call('PUBLISH', jobs_channel, id)
if redis.call('HEXISTS', job, 'callback_url') == 1 then
  redis.call('ZADD', callbacks, now_ms, id)
  redis.call('EXPIRE', callbacks, redis.call('TTL', job))
end
return 2
