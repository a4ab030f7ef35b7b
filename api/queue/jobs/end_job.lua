-- End the upload of a job, or the job itself. A job that waits for no more images becomes final.
--
-- `action` is 'complete' once all `uploaded_images` are sent, 'abandon' if the upload failed, 'cancel' or 'expire',
-- 'fail' if Redis has lost images of the job, and 'fail_upload' if its upload is silent. `uploaded_images`,
-- `fingerprint` and `reason` may be ''. `claim` is the key of an Idempotency-Key's claim, '' if only the job names it.
-- Returns 2 if this call made the job final, 1 if the job was final before, 0 if the job waits for more images, -1 if
-- there is no such job, -2 if images of the upload are lost, and -3 if the claim belongs to another upload by now.
--
-- Reads come first. ZREM is the first write, because a Redis that is out of memory accepts it, and then accepts the
-- writes after it.
local job, blocks, manifests, open_jobs, deadlines, callbacks, claim = unpack(KEYS)
local action, id, uploaded_images, fingerprint, reason, jobs_channel, check_ms, open_ttl_s, final_ttl_s = unpack(ARGV)

local known = redis.call('HMGET', job, 'model', 'done', 'failed', 'expired', 'accepted', 'total', 'finished_ms',
  'deadline_ms', 'claim')
local exists, total, was_final = known[1], known[6], known[7]
claim = claim ~= '' and claim or known[9] or ''
local holder = claim ~= '' and redis.call('HGET', claim, 'job')

if action == 'abandon' and holder == id then
  redis.call('DEL', claim)
end
if not exists then
  redis.call('ZREM', deadlines, id)
  redis.call('ZREM', open_jobs, id)
  return -1
end
if action == 'complete' then
  if was_final or known[5] ~= uploaded_images then
    return -2
  end
  if holder and holder ~= id then
    return -3
  end
end
if was_final then
  redis.call('ZREM', deadlines, id)
  redis.call('ZREM', open_jobs, id)
  return 1
end
if action == 'fail_upload' and total then -- the upload was only slow
  return 0
end

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local finished = tonumber(known[2]) + tonumber(known[3]) + tonumber(known[4])
total = tonumber(action == 'complete' and uploaded_images or total or math.max(finished, tonumber(known[5] or 0)))

redis.call('ZREM', deadlines, id)
redis.call('HSET', job, 'total', total)
if action == 'complete' then
  if claim ~= '' then
    redis.call('HSET', claim, 'job', id, 'fingerprint', fingerprint)
    redis.call('EXPIRE', claim, open_ttl_s)
  end
  if finished < total then
    if known[8] then
      redis.call('ZADD', deadlines, known[8], id)
      redis.call('EXPIRE', deadlines, open_ttl_s)
    end
    redis.call('ZADD', open_jobs, string.format('%.0f', now_ms + check_ms), id)
    redis.call('EXPIRE', open_jobs, open_ttl_s)
    return 0
  end
elseif action == 'cancel' or action == 'abandon' then
  redis.call('HSET', job, 'cancelled', total - finished)
elseif action == 'expire' then
  redis.call('HINCRBY', job, 'expired', total - finished)
else
  redis.call('HINCRBY', job, 'failed', total - finished)
  redis.call('HSET', job, 'reason', reason)
  if holder == id then -- so that the same upload can be sent again
    redis.call('DEL', claim)
  end
end
if action == 'abandon' then -- nobody knows its id
  redis.call('HDEL', job, 'callback_url')
end

redis.call('HSET', job, 'finished_ms', string.format('%.0f', now_ms))
redis.call('ZREM', open_jobs, id)
redis.call('PUBLISH', jobs_channel, id)
for _, key in ipairs({job, blocks, manifests}) do
  redis.call('EXPIRE', key, final_ttl_s)
end
if holder == id or action == 'complete' and claim ~= '' then
  redis.call('EXPIRE', claim, final_ttl_s)
end
if redis.call('HEXISTS', job, 'callback_url') == 1 then
  redis.call('HSET', job .. ':callback', unpack(redis.call('HGETALL', job)))
  redis.call('EXPIRE', job .. ':callback', open_ttl_s)
  redis.call('ZADD', callbacks, string.format('%.0f', now_ms), id)
  redis.call('EXPIRE', callbacks, open_ttl_s)
end
return 2
